"""The loss registry: one file per loss, found by name."""

from typing import Any

from docre.losses.base import LOSSES, Loss, ThresholdClassLoss, ZeroThresholdLoss

__all__ = ["LOSSES", "Loss", "ThresholdClassLoss", "ZeroThresholdLoss", "build"]


def build(name: str, num_relations: int, **parameters: Any) -> Loss:
    """The loss called `name` over `num_relations` relations.

    Raises DocreError for an unknown name, and for a parameter that is unknown, missing or of the wrong type.
    """
    return LOSSES.build(name, parameters, num_relations)
