"""Files of weights (safetensors), which may be a stranger's."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from docre.errors import DocreError


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in a safetensors file, from its header. Raises DocreError if it cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DocreError(f"{path}: cannot be read: {error}") from None


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a weights file. Raises DocreError if it cannot be read, or one of them is not finite."""
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DocreError(f"{path}: cannot be read: {error}") from None
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise DocreError(f"{path}: {name} has values that are not finite: such a model would predict nothing")
    return weights


def save_weights(module: nn.Module, path: Path) -> None:
    """Write the weights of a module to a safetensors file."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}, path)


def load_into(module: nn.Module, path: str | Path) -> None:
    """Load a weights file into a module. Raises DocreError if it cannot be read, does not fit or is not finite."""
    try:
        module.load_state_dict(read_weights(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[1 if "\n" in str(error) else 0].strip()
        raise DocreError(f"{path}: the weights do not fit the model: {reason}") from None


def save_encoder(backbone: Any, tokenizer: Any, folder: Path) -> None:
    """Write the configuration of an encoder, without its weights, and its tokenizer, without templates of chats. Raises
    OSError if that fails."""
    backbone.config.save_pretrained(folder)
    try:
        tokenizer.save_pretrained(folder)
    except Exception as error:  # tokenizers raises a plain Exception if the disk is full
        raise OSError(str(error)) from None
    for template in folder.rglob("*.jinja"):
        template.unlink()
