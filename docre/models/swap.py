"""Replace modules of a pretrained encoder by cheaper ones that compute the same."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

ClassMap = Mapping[type[nn.Module], type[nn.Module]]


def swap(module: nn.Module, old: type[nn.Module], new: Callable[[Any], nn.Module]) -> None:
    """Replace every submodule whose class is exactly `old`, at any depth, by new(submodule)."""
    for name, child in module.named_children():
        if type(child) is old:
            setattr(module, name, new(child))
        else:
            swap(child, old, new)


def change_classes(module: nn.Module, classes: ClassMap) -> None:
    """Change the class of every submodule whose class is exactly a key of `classes`, at any depth, to its value: a
    subclass that computes the same. Weights stay where they are."""
    for part in module.modules():
        part.__class__ = classes.get(type(part), type(part))
