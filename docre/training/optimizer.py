"""AdamW with a learning rate for each group of parameters, and a schedule of linear warmup and linear decay."""

from collections.abc import Collection, Iterable
from typing import Any

from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_linear_schedule_with_warmup

from docre.config.schema import Training
from docre.errors import DocreError


def build_optimizer(objective: Any, config: Training) -> AdamW:
    """AdamW with the encoder at `encoder_lr`, each of the model's rate groups at its rate in `group_lr`, and everything
    else at `head_lr`, in the order encoder, everything else, groups. Each parameter group has its name as `name`.

    Parameters that need no gradient are left out. Raises DocreError for a rate of a group that the model does not have.
    """
    groups = objective.model.rate_groups
    check_rate_groups(config.group_lr, groups)
    rates = {"encoder": config.encoder_lr, "head": config.head_lr}
    rates |= {name: config.group_lr.get(name, config.head_lr) for name in groups}
    prefixes: dict[str, tuple[str, ...]] = {"encoder": ("model.encoder",)}
    prefixes |= {group: tuple(f"model.{prefix}" for prefix in names) for group, names in groups.items()}
    members: dict[str, list[object]] = {name: [] for name in rates}
    for name, parameter in objective.named_parameters():
        group = next((group for group, starts in prefixes.items() if starts_with(name, starts)), "head")
        if parameter.requires_grad:
            members[group].append(parameter)
    filled = [{"params": members[name], "lr": rate, "name": name} for name, rate in rates.items() if members[name]]
    return AdamW(filled, eps=config.adam_epsilon, weight_decay=config.weight_decay, fused=True)


def check_rate_groups(rates: Iterable[str], groups: Collection[str]) -> None:
    """Raises DocreError for a rate of a group that the model does not have. `groups`: those that it has."""
    for name in rates:
        if name not in groups:
            raise DocreError(
                f"training.group_lr: the model has no group {name!r} (it has: {', '.join(groups) or 'none'}); "
                "training.group_lr={} takes inherited ones away"
            )


def starts_with(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the prefixes or below one."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def build_schedule(optimizer: AdamW, steps: int, warmup: float) -> LambdaLR:
    """All rates rise linearly from 0 over the first `warmup` * `steps` steps, then fall linearly to 0 at `steps`."""
    return get_linear_schedule_with_warmup(optimizer, int(steps * warmup), steps)
