"""AdamW with two learning rates, and a schedule of linear warmup and linear decay."""

from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_linear_schedule_with_warmup

from docre.config.schema import Training
from docre.training.objective import Objective


def build_optimizer(objective: Objective, config: Training) -> AdamW:
    """AdamW with two parameter groups: the encoder with `encoder_lr`, everything else with `head_lr`. Frozen parameters
    are in neither."""
    encoder = list(objective.model.encoder.parameters())
    ids = {id(parameter) for parameter in encoder}
    rest = [parameter for parameter in objective.parameters() if id(parameter) not in ids]
    encoder, rest = ([p for p in part if p.requires_grad] for part in (encoder, rest))
    groups = [{"params": encoder, "lr": config.encoder_lr}, {"params": rest, "lr": config.head_lr}]
    return AdamW(groups, eps=config.adam_epsilon, weight_decay=config.weight_decay, fused=True)


def build_schedule(optimizer: AdamW, steps: int, warmup: float) -> LambdaLR:
    """Both rates rise linearly from 0 over the first `warmup` * `steps` steps, then fall linearly to 0 at `steps`."""
    return get_linear_schedule_with_warmup(optimizer, int(steps * warmup), steps)
