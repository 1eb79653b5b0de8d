"""What every loss is: the number of outputs it needs, the loss itself, and the decision that goes with it."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from docre.core.registry import Registry
from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.tensors import ModelOutput

LOSSES: Registry["Loss"] = Registry("loss", "docre.losses")

# What most parameters are: give one as the annotation and the registry refuses any other value by the parameter's name.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Loss(nn.Module, ABC):
    """A DocRE loss with its decision rule, over R relations.

    It never holds the model and never writes into its inputs. It computes in float32 or better whatever the autocast
    dtype, and is finite, with a finite gradient, for any finite logits.

    A subclass gives `num_outputs`, `scores`, `thresholds` and `compute`; most inherit these from ThresholdClassLoss or
    ZeroThresholdLoss and give `pair_losses` only. Its parameters are the keyword arguments of its constructor.

    reference: the paper, and the equation where it has a number.
    margin_shift: a calibration: what is added to each margin, [R] or one number for all; 0 unless somebody sets it.
    """

    reference: ClassVar[str] = ""
    margin_shift: Tensor

    def __init__(self, num_relations: int) -> None:
        super().__init__()
        self.num_relations = num_relations
        self.register_buffer("margin_shift", torch.zeros(()), persistent=False)

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """How many logits the classifier has to give for each pair."""

    @abstractmethod
    def scores(self, logits: Tensor) -> Tensor:
        """s_r: the scores of the relations, [pairs, outputs] -> [pairs, R]."""

    @abstractmethod
    def thresholds(self, logits: Tensor) -> Tensor:
        """What each score is compared with when deciding: [pairs, R], or [pairs, 1] where all share one."""

    @abstractmethod
    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        """The scalar loss of a batch that has at least one pair; `labels` [pairs, R] are bool."""

    @classmethod
    def from_training_data(cls, statistics: LabelStatistics) -> dict[str, Any]:
        """Parameters that are taken from the training data where they are not given. They become part of the run's
        resolved config, so that a checkpoint holds them."""
        return {}

    def forward(self, output: ModelOutput, labels: Tensor) -> Tensor:
        """The loss of a batch: `output` of the model and `labels` [pairs, R] (bool or 0/1) -> scalar.

        A batch without pairs has loss 0. Raises DocreError where the shapes are not those of this loss.
        """
        given = (("logits", output.logits, self.num_outputs), ("labels", labels, self.num_relations))
        for name, tensor, columns in given:
            if tensor.shape != (len(labels), columns):
                shapes = f"{list(tensor.shape)}, expected {[len(labels), columns]}"
                raise DocreError(f"{type(self).__name__}: {name} are {shapes}")
        with torch.autocast(output.logits.device.type, enabled=False):
            output = output.at_least_float32()
            if not len(labels):
                return output.logits.sum()
            return self.compute(output, labels.bool())

    def margins(self, logits: Tensor) -> Tensor:
        """d_r = s_r - threshold + margin_shift, [pairs, outputs] -> [pairs, R] in float32 or better:
        positive where the relation is predicted."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return self.scores(logits) - self.thresholds(logits) + self.margin_shift

    def decide(self, logits: Tensor, top_k: int = -1) -> Tensor:
        """The predicted relations, [pairs, outputs] -> bool [pairs, R]: those with a positive margin, and of these for
        each pair at most `top_k`, the ones with the highest scores (no limit where top_k < 1)."""
        return keep_best(self.margins(logits) > 0, self.scores(logits), top_k)


def keep_best(chosen: Tensor, scores: Tensor, top_k: int) -> Tensor:
    """Of each pair's `chosen` relations at most `top_k`, the ones with the highest scores (no limit where top_k < 1):
    both [pairs, relations] -> bool [pairs, relations]."""
    if not 0 < top_k < chosen.shape[1]:
        return chosen
    best = scores.masked_fill(~chosen, -torch.inf).topk(top_k, dim=1).indices
    return chosen & torch.zeros_like(chosen).scatter_(1, best, True)


class ThresholdClassDecision(Loss):
    """The columns of a loss with one learned threshold class TH (Zhou et al. 2021): column 0 of the logits."""

    @property
    def num_outputs(self) -> int:
        return self.num_relations + 1

    def scores(self, logits: Tensor) -> Tensor:
        return logits[:, 1:]

    def thresholds(self, logits: Tensor) -> Tensor:
        return logits[:, :1]


class ThresholdClassLoss(ThresholdClassDecision):
    """A loss with a threshold class that is the mean over pairs of the `pair_losses` which a subclass gives."""

    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        return self.pair_losses(self.scores(output.logits), self.thresholds(output.logits), labels).mean()

    @abstractmethod
    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        """The loss of each pair: scores s [pairs, R], threshold t [pairs, 1], labels bool [pairs, R] -> [pairs]."""


class ZeroThresholdLoss(Loss):
    """A loss without a threshold class: a relation is predicted where its score is positive.

    It is the mean over pairs of the `pair_losses` which a subclass gives.
    """

    @property
    def num_outputs(self) -> int:
        return self.num_relations

    def scores(self, logits: Tensor) -> Tensor:
        return logits

    def thresholds(self, logits: Tensor) -> Tensor:
        return torch.zeros_like(logits[:, :1])

    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        return self.pair_losses(output.logits, labels).mean()

    @abstractmethod
    def pair_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each pair: logits [pairs, outputs], labels bool [pairs, R] -> [pairs]."""
