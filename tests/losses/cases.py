"""Random batches, with any registered loss ready to be called on them."""

import random
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from docre.documents import LabelStatistics
from docre.losses import Loss, build, loss_class
from docre.tensors import ModelOutput

GROUPS, BLOCK = 2, 2

# Parameters to test besides the published defaults. A new loss needs no entry.
OTHER_PARAMETERS: list[tuple[str, dict[str, Any]]] = [
    ("afl", {"gamma": 0.0}),
    ("afl", {"gamma": 2.5}),
    ("aml", {"margin": 3.0}),
    ("amtl", {"threshold_divisor": 1.0}),
    ("atgl", {"alpha": 0.5}),
    ("hingeabl", {"margin": 0.5}),
    ("ncrl", {"shift": 0.0, "regularize": False}),
    ("ncrl", {"shift": 0.4, "eps": 0.1}),
    ("pemscl", {"positive_entropy": 0.5, "negative_entropy": 2.0, "contrastive": 3.0, "temperature": 0.2}),
    ("pemscl", {"contrastive": 0.0}),
    ("pmt_em", {"positive_entropy": 0.5, "negative_entropy": 2.0}),
    ("ssr_pu", {"prior_ratio": 1.0, "margin": 1.0, "factor": 1.0}),
]


@dataclass
class Case:
    """A loss and a batch for it: `output` in float64, requiring gradients; `labels` bool [pairs, R]."""

    loss: Loss
    output: ModelOutput
    labels: Tensor

    @property
    def inputs(self) -> list[Tensor]:
        return [x for x in (self.output.logits, self.output.head, self.output.tail) if x is not None]

    def cast(self, dtype: torch.dtype) -> "Case":
        leaves = [x.detach().to(dtype).requires_grad_() for x in self.inputs]
        return replace(self, output=ModelOutput(*leaves))

    def backward(self) -> Tensor:
        """Return the loss, and leave its gradients in the inputs (zeros where the loss does not use them)."""
        for x in self.inputs:
            x.grad = torch.zeros_like(x)
        value = self.loss(self.output, self.labels)
        value.backward()
        return value.detach()


def statistics(relations: int) -> LabelStatistics:
    """Label counts of a training set, all different: from a relation that never holds to one that holds for a third of
    the pairs. The number of pairs is a power of two, so that no prior is rounded."""
    counts = [0, 1400, *range(5, 5 + 9 * (relations - 2), 9)][:relations]
    return LabelStatistics(4096, tuple(random.Random(relations).sample(counts, relations)))


def parameters_for(name: str, relations: int, **parameters: Any) -> dict[str, Any]:
    return loss_class(name).from_training_data(statistics(relations)) | parameters


def make_labels(pairs: int, relations: int, kind: str = "mixed") -> Tensor:
    if kind == "na":
        return torch.zeros(pairs, relations, dtype=torch.bool)
    if kind == "all":
        return torch.ones(pairs, relations, dtype=torch.bool)
    return (torch.rand(pairs, relations) < 0.4) & (torch.rand(pairs, 1) < 0.7)


def make_case(name: str, pairs: int = 6, relations: int = 5, kind: str = "mixed", seed: int = 0, **given: Any) -> Case:
    """A random case whose labels are of `kind` "mixed", "na" (no relation holds) or "all" (every relation holds)."""
    torch.manual_seed(seed)
    loss = build(name, relations, **parameters_for(name, relations, **given))
    logits = 3 * torch.randn(pairs, loss.num_outputs, dtype=torch.float64)
    head, tail = (torch.randn(pairs, GROUPS, BLOCK, dtype=torch.float64) for _ in range(2))
    output = ModelOutput(*(x.requires_grad_() for x in (logits, head, tail)))
    return Case(loss, output, make_labels(pairs, relations, kind))
