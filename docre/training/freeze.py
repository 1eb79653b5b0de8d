"""Parts of a model that are not trained."""

from collections.abc import Sequence

from torch import nn

from docre.errors import DocreError


def freeze(model: nn.Module, prefixes: Sequence[str]) -> None:
    """Mark all parameters whose names begin with one of the prefixes as not trained (`requires_grad`).

    prefixes: whole parts of names, as "encoder" or "encoder.backbone.encoder.layer.1" (which is not layer.10).
    Raises DocreError for a prefix that no name begins with, and if nothing is left to train.
    """
    parameters = dict(model.named_parameters())
    for prefix in prefixes:
        chosen = [parameter for name, parameter in parameters.items() if f"{name}.".startswith(f"{prefix}.")]
        if not chosen:
            parts = ", ".join(dict.fromkeys(name.partition(".")[0] for name in parameters))
            raise DocreError(
                f"training.freeze: no parameter's name begins with {prefix!r}: the parts of the model are {parts}"
            )
        for parameter in chosen:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise DocreError("training.freeze: nothing of the model is left to train")


def keep_frozen_in_eval_mode(module: nn.Module) -> None:
    """Put each part of a module whose parameters are all frozen into evaluation mode, where it has no dropout and its
    running statistics stay. A part without parameters has the mode of the part that it is in."""
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()
