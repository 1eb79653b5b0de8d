"""Reads the weights of published code: state dicts that torch saved, without running anything that they contain."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from docre.errors import DocreError, first_line
from docre.inference.predictor import Predictor
from docre.inference.torch_file import read_torch_file
from docre.models import Model

ENCODER = {r"^(model|bert_model|encoder)\.": "encoder.backbone."}  # prefixes of the encoder in published code
WITHOUT_EFFECT = r"encoder\.backbone\.(pooler\.|.*position_ids$|.*token_type_ids$)"


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a file of weights: one that `torch.save` wrote, or .safetensors.

    Of a torch file only dense tensors and plain containers are read (see docre.inference.torch_file). Raises DocreError
    for a file with anything else in it, or that cannot be read.
    """
    path = Path(path)
    try:
        content = load_file(path) if path.suffix == ".safetensors" else read_torch_file(path)
    except DocreError as error:
        raise DocreError(f"{path}: not a plain file of weights: {error}") from None
    except Exception as error:  # a damaged file leads to many kinds of exceptions
        raise DocreError(f"{path}: not a file of weights: {first_line(error)}") from None
    if not isinstance(content, Mapping) or not content:
        raise DocreError(f"{path}: expected a state dict, tensors by name, got {type(content).__name__}")
    tensors = {str(name).removeprefix("module."): value for name, value in content.items()}
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise DocreError(f"{path}: expected a tensor as {name!r}, got {type(value).__name__}")
    return tensors


def name_here(published: str, model: Model) -> str:
    """What a published weight is called in docre's model; "" for one that the published model does not use."""
    for pattern, replacement in (ENCODER | dict(model.published_names)).items():
        published, found = re.subn(pattern, replacement, published)
        if found:
            break
    return "" if re.match(WITHOUT_EFFECT, published) else published


def load_published(predictor: Predictor, tensors: Mapping[str, Tensor], path: str | Path) -> list[str]:
    """Give the predictor's model the weights of published code, whose names `Model.published_names` translates.

    Returns the published names of weights that were left out since the published model does not use them. Raises
    DocreError if a weight is missing, unknown, of another shape, or not finite.
    """
    wanted = predictor.model.state_dict()
    named = {name: name_here(name, predictor.model) for name in tensors}
    unknown = [name for name, here in named.items() if here and here not in wanted]
    missing = sorted(set(wanted) - set(named.values()))
    kind = predictor.config.model.name
    if missing:
        hint = f" (the file has {unknown[0]}, which {kind!r} does not)" if unknown else ""
        raise DocreError(f"{path}: not the weights of {kind!r} as configured: {missing[0]} is missing{hint}")
    if unknown:
        raise DocreError(f"{path}: not the weights of {kind!r} as configured: it has no {unknown[0]}")
    values = {}
    for name, here in named.items():
        if not here:
            continue
        tensor = tensors[name]
        if tensor.shape != wanted[here].shape:
            shapes = f"{list(tensor.shape)}, expected {list(wanted[here].shape)}"
            raise DocreError(f"{path}: {name} is {shapes}: another size or number of relations than in the config?")
        tensor = tensor.to(wanted[here].dtype)
        if not torch.isfinite(tensor).all():
            raise DocreError(f"{path}: {name} has values that are not finite")
        values[here] = tensor
    predictor.model.load_state_dict(values)
    return [name for name, here in named.items() if not here]
