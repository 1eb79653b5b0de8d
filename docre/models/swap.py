"""Exchanging parts of a pretrained encoder for cheaper ones that compute the same."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

Kinds = Mapping[type[nn.Module], type[nn.Module]]


def swap(module: nn.Module, kind: type[nn.Module], new: Callable[[Any], nn.Module]) -> None:
    """Put new(child) in the place of every child of exactly this type, at any depth."""
    for name, child in module.named_children():
        if type(child) is kind:
            setattr(module, name, new(child))
        else:
            swap(child, kind, new)


def recast(module: nn.Module, kinds: Kinds) -> None:
    """Make every part of exactly one of these types, at any depth, one of a subclass that computes the same."""
    for part in module.modules():
        part.__class__ = kinds.get(type(part), type(part))
