"""Capture and restore the state of a trainer: weights, optimizer, schedule, scaler, position, random generators."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from accelerate.utils import gather_object
from torch import Tensor

from docre.errors import DocreError
from docre.training.loop import Mean, Progress, Trainer
from docre.training.state import State, random_state, set_random_state


def capture(trainer: Trainer) -> State:
    """Everything that a trainer needs to resume exactly. Every process has to call this; all but the main one get an
    empty state."""
    randoms = gather_object([random_state(trainer.accelerator.device)])
    if not trainer.accelerator.is_main_process:
        return State({}, {})
    objective = trainer.accelerator.unwrap_model(trainer.objective)
    means = running_means(trainer)
    tensors = {
        **with_prefix("objective", objective.state_dict()),
        **with_prefix("optimizer", optimizer_tensors(trainer.optimizer)),
        **with_prefix("mean", {name: mean.total for name, mean in means.items()}),
        **{
            name: x
            for rank, state in enumerate(randoms)
            for name, x in with_prefix(f"random.{rank}", state.tensors).items()
        },
    }
    scaler = trainer.accelerator.scaler
    values = {
        "place": asdict(trainer.progress),
        "counts": {name: mean.count for name, mean in means.items()},
        "schedule": trainer.schedule.state_dict(),
        "rates": [group["lr"] for group in trainer.optimizer.param_groups],
        "scaler": None if scaler is None else scaler.state_dict(),
        "random": [state.values for state in randoms],
    }
    # copies, since on a CPU the next step changes these very tensors, and safetensors refuses tensors that share memory
    return State({name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}, values)


def restore(trainer: Trainer, state: State) -> None:
    """Restore a captured state in a trainer built for the same run. Raises DocreError if the state does not fit it."""
    device, rank = trainer.accelerator.device, trainer.accelerator.process_index
    values = state.values
    try:
        trainer.accelerator.unwrap_model(trainer.objective).load_state_dict(without_prefix("objective", state.tensors))
        restore_optimizer(trainer.optimizer, without_prefix("optimizer", state.tensors), values["rates"])
        trainer.schedule.load_state_dict(values["schedule"])
        if trainer.accelerator.scaler is not None:
            trainer.accelerator.scaler.load_state_dict(values["scaler"])
        trainer.progress = Progress(**values["place"])
        for name, mean in running_means(trainer).items():
            mean.total.copy_(state.tensors[f"mean.{name}"])
            mean.count = values["counts"][name]
        set_random_state(State(without_prefix(f"random.{rank}", state.tensors), values["random"][rank]), device)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise DocreError(f"the saved state does not fit this run ({error}): start over with --restart") from None


def optimizer_tensors(optimizer: Any) -> dict[str, Tensor]:
    """The tensors in the state of an optimizer, as {number of the parameter.name: tensor}."""
    states = optimizer.state_dict()["state"].items()
    return {name: x for index, state in states for name, x in with_prefix(str(index), state).items()}


def restore_optimizer(optimizer: Any, tensors: Mapping[str, Tensor], rates: Sequence[float]) -> None:
    """Restore what `optimizer_tensors` returned, and the learning rate of each parameter group."""
    content = optimizer.state_dict()
    indices = sorted({int(name.split(".")[0]) for name in tensors})
    content["state"] = {index: without_prefix(str(index), tensors) for index in indices}
    for group, rate in zip(content["param_groups"], rates, strict=True):
        group["lr"] = rate
    optimizer.load_state_dict(content)


def running_means(trainer: Trainer) -> dict[str, Mean]:
    """The running means of a trainer, under their names in a saved state."""
    parts = {f"recent.{name}": mean for name, mean in trainer.recent_parts.items()}
    return {"epoch": trainer.epoch_loss, "recent": trainer.recent_loss, **parts}


def with_prefix(prefix: str, values: Mapping[str, Any]) -> dict[str, Tensor]:
    """{name: tensor} -> {prefix.name: tensor}"""
    return {f"{prefix}.{name}": tensor for name, tensor in values.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `with_prefix`; tensors with other names are left out."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
