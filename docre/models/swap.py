"""Exchanging parts of a pretrained encoder for cheaper ones that compute the same."""

from collections.abc import Callable
from typing import Any

from torch import nn


def swap(module: nn.Module, kind: type[nn.Module], new: Callable[[Any], nn.Module]) -> None:
    """Put new(child) in the place of every child of exactly this type, at any depth."""
    for name, child in module.named_children():
        if type(child) is kind:
            setattr(module, name, new(child))
        else:
            swap(child, kind, new)
