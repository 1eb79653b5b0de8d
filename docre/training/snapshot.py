"""From a trainer to a State and back: weights, optimizer, schedule, scaler, position, random generators."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from accelerate.utils import gather_object
from torch import Tensor

from docre.errors import DocreError
from docre.training.loop import Progress, Trainer
from docre.training.state import State, random_state, set_random_state


def capture(trainer: Trainer) -> State:
    """All that a trainer needs to go on exactly. Every process must call it; each gets the state of all."""
    objective = trainer.accelerator.unwrap_model(trainer.objective)
    randoms = gather_object([random_state(trainer.accelerator.device)])
    means = {"epoch": trainer.epoch_loss, "recent": trainer.recent_loss}
    tensors = {
        **nested("objective", objective.state_dict()),
        **{
            name: tensor
            for index, state in trainer.optimizer.state_dict()["state"].items()
            for name, tensor in nested(f"optimizer.{index}", state).items()
        },
        **nested("mean", {name: mean.total for name, mean in means.items()}),
        **{
            name: x for rank, state in enumerate(randoms) for name, x in nested(f"random.{rank}", state.tensors).items()
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
    # copies: on a CPU these are the very tensors that the next step changes, and safetensors wants no shared memory
    return State({name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}, values)


def restore(trainer: Trainer, state: State) -> None:
    """Put a trainer that was built for the same run where `capture` found it. Raises DocreError where that fails."""
    device, rank = trainer.accelerator.device, trainer.accelerator.process_index
    values = state.values
    try:
        trainer.accelerator.unwrap_model(trainer.objective).load_state_dict(under("objective", state.tensors))
        optimizer = trainer.optimizer.state_dict()
        indices = sorted({int(name.split(".")[0]) for name in under("optimizer", state.tensors)})
        optimizer["state"] = {index: under(f"optimizer.{index}", state.tensors) for index in indices}
        for group, rate in zip(optimizer["param_groups"], values["rates"], strict=True):
            group["lr"] = rate
        trainer.optimizer.load_state_dict(optimizer)
        trainer.schedule.load_state_dict(values["schedule"])
        if trainer.accelerator.scaler is not None:
            trainer.accelerator.scaler.load_state_dict(values["scaler"])
        trainer.progress = Progress(**values["place"])
        for name, mean in (("epoch", trainer.epoch_loss), ("recent", trainer.recent_loss)):
            mean.total.copy_(state.tensors[f"mean.{name}"])
            mean.count = values["counts"][name]
        set_random_state(State(under(f"random.{rank}", state.tensors), values["random"][rank]), device)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise DocreError(f"the saved state does not fit this run ({error}): start again with --restart") from None


def nested(prefix: str, values: Mapping[str, Any]) -> dict[str, Tensor]:
    """{name: tensor} as {prefix.name: tensor}."""
    return {f"{prefix}.{name}": tensor for name, tensor in values.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other way round: what is called prefix.name."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
