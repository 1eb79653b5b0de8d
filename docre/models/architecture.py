"""Build an encoder from an untrusted `config.json`: run no code from it, and allocate no more than its weights need.

A Hugging Face config can name Python code to import (`auto_map`) and kernels to download (`_attn_implementation`), and
it can ask for a model of any size. Keys of the first two kinds are removed before transformers sees them; sizes are
compared with the saved weights before any memory is allocated.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook
from transformers import AutoModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from docre.core.files import read_json
from docre.errors import DocreError

# Keys of a config that name code or kernels.
CODE = re.compile("auto_map|_?attn_implementation.*|_?experts_implementation.*|quantization_config|custom_pipelines")
SPARE_BYTES = 64 * 2**20  # allowance for computed tables (buffers that a model does not save)


def read_architecture(path: Path) -> Any:
    """The Hugging Face config in a `config.json`, without the keys that name code or kernels.

    Raises DocreError if the file is not such a config, or names a model type that transformers does not include.
    """
    values = read_json(path)
    if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
        raise DocreError(f"{path}: expected an object whose 'model_type' is a string")
    if values["model_type"] not in CONFIG_MAPPING:
        raise DocreError(f"{path}: transformers has no model of type {values['model_type']!r}")
    with _config_errors(path):
        return CONFIG_MAPPING[values["model_type"]].from_dict(without_code(values))


def without_code(value: Any) -> Any:
    """A copy of a JSON value without the keys that name code or kernels, at any depth."""
    if isinstance(value, dict):
        return {key: without_code(inner) for key, inner in value.items() if not CODE.fullmatch(key)}
    return [without_code(inner) for inner in value] if isinstance(value, list) else value


def build_untrained(architecture: Any, path: Path) -> Any:
    """An encoder of this architecture in float32 with random weights.

    Raises DocreError, naming `path`, if transformers cannot build one.
    """
    with _config_errors(path):
        return AutoModel.from_config(architecture, trust_remote_code=False, dtype=torch.float32)


def check_shapes(model: nn.Module, saved: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Check that a file of weights fits a model. Raises DocreError, naming `path`, unless the saved tensors have the
    model's names and shapes, and the tables that the model computes itself take no more memory than they do.

    model: may be on the meta device, where it takes no memory, whatever its size.
    saved: the shape of each tensor in the file, by name.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name, shape in wanted.items():
        if name not in saved:
            raise DocreError(f"{path}: the weights do not fit the model: {name} {list(shape)} is missing")
        if saved[name] != shape:
            raise DocreError(
                f"{path}: the weights do not fit the model: {name} is {list(saved[name])}, expected {list(shape)}"
            )
    for name in saved:
        if name not in wanted:
            raise DocreError(f"{path}: the weights do not fit the model: it has no {name}")
    saved_numbers = sum(torch.Size(shape).numel() for shape in saved.values())
    computed = sum(buffer.nbytes for name, buffer in model.named_buffers() if name not in wanted)
    if computed > 4 * saved_numbers + SPARE_BYTES:
        raise DocreError(f"{path}: the weights do not fit the model: its own tables take {computed / 2**20:,.0f} MB")


@contextmanager
def limit_modules(modules: int, path: Path) -> Iterator[None]:
    """Within this context, raise DocreError, naming `path`, once this thread has built more than `modules` modules:
    three million layers take minutes to build, even on the meta device, where their weights take no memory."""
    thread, built = threading.get_ident(), 0

    def count(*_: Any) -> None:
        nonlocal built
        built += threading.get_ident() == thread
        if built > modules:
            raise DocreError(f"{path}: the weights do not fit the model: it has more than {modules:,} modules")

    handle = register_module_module_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _config_errors(path: Path) -> Iterator[None]:
    """Turn any exception that transformers raises on a config that it cannot use into a DocreError naming `path`."""
    try:
        yield
    except DocreError:
        raise
    except Exception as error:
        raise DocreError(f"{path}: not a config that transformers can use: {type(error).__name__}: {error}") from None
