"""An encoder's architecture from a `config.json` that may be a stranger's: no code, no more memory than its weights.

A Hugging Face config can name Python code to import (`auto_map`), kernels to download (`_attn_implementation`) and
sizes that nothing bounds. Here the first two are dropped before transformers sees them, and the third are compared with
the weights before memory is taken.
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

CODE = re.compile("auto_map|_?attn_implementation.*|_?experts_implementation.*|quantization_config|custom_pipelines")
SPARE_BYTES = 64 * 2**20  # of tables that a model computes and does not save, beside what its weights take


def read_architecture(path: Path) -> Any:
    """The Hugging Face config in a `config.json`, without the keys that name code or kernels. Raises DocreError where
    it is none, or of a model that transformers itself does not have."""
    values = read_json(path)
    if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
        raise DocreError(f"{path}: expected an object with a text in 'model_type'")
    if values["model_type"] not in CONFIG_MAPPING:
        raise DocreError(f"{path}: transformers has no model of type {values['model_type']!r}")
    with _one_line(path):
        return CONFIG_MAPPING[values["model_type"]].from_dict(without_code(values))


def without_code(value: Any) -> Any:
    """A JSON value without the keys, at any depth, that name code or kernels."""
    if isinstance(value, dict):
        return {key: without_code(inner) for key, inner in value.items() if not CODE.fullmatch(key)}
    return [without_code(inner) for inner in value] if isinstance(value, list) else value


def build_untrained(architecture: Any, path: Path) -> Any:
    """An encoder model of this architecture in float32, its weights random. Raises DocreError, beginning with `path`,
    where transformers cannot build one."""
    with _one_line(path):
        return AutoModel.from_config(architecture, trust_remote_code=False, dtype=torch.float32)


def check_shapes(model: nn.Module, saved: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raises DocreError, beginning with `path`, unless the saved tensors are those of the model, by name and shape, and
    what it computes and does not save is no larger than they are.

    model: may be on the meta device, where it takes no memory whatever its sizes.
    saved: the shape of each tensor in the file.
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
        raise DocreError(f"{path}: the weights do not fit the model: it wants {computed / 2**20:,.0f} MB of tables")


@contextmanager
def limit_modules(modules: int, path: Path) -> Iterator[None]:
    """Raises DocreError, beginning with `path`, when this thread builds more modules than that within: even without
    memory for weights three million layers take minutes."""
    thread, built = threading.get_ident(), 0

    def count(*_: Any) -> None:
        nonlocal built
        built += threading.get_ident() == thread
        if built > modules:
            raise DocreError(f"{path}: the weights do not fit the model: it has more than {modules:,} parts")

    handle = register_module_module_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turns whatever transformers raises on a config that it cannot use into a DocreError."""
    try:
        yield
    except DocreError:
        raise
    except Exception as error:
        raise DocreError(f"{path}: not a config that transformers can use: {type(error).__name__}: {error}") from None
