"""The loss registry: every file here holds one loss, which is found by its name."""

from typing import Any, cast

from docre.losses.base import LOSSES, Loss, ThresholdClassLoss, ZeroThresholdLoss

__all__ = ["LOSSES", "Loss", "ThresholdClassLoss", "ZeroThresholdLoss", "build", "loss_class"]


def build(name: str, num_relations: int, **parameters: Any) -> Loss:
    """The loss called `name` over `num_relations` relations.

    Raises DocreError for an unknown name, and for a parameter that is unknown, missing or of the wrong type.
    """
    return LOSSES.build(name, parameters, num_relations)


def loss_class(name: str) -> type[Loss]:
    """The class of the loss called `name`, for example for its `from_training_data` and `reference`. Raises DocreError
    for an unknown name."""
    return cast(type[Loss], LOSSES[name])
