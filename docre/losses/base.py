"""The base classes of losses. A loss declares how many outputs it needs, computes its value, and makes the decision."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from docre.core.registry import Registry
from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.tensors import ModelOutput, check_scalar

# Types for the parameters of a loss: used as annotations, they make the registry refuse other values with a message
# that names the parameter.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Loss(nn.Module, ABC):
    """A DocRE loss over R relations, together with its decision rule.

    In the formulas of all losses s_r is the score of relation r, t that of the threshold class TH (column 0 of the
    logits), d_r = s_r - t the margin, P the relations that hold for the pair, N the others, and sigma the logistic
    function. A pair whose P is empty is an NA pair. L is the loss of one pair and the loss the mean over pairs, unless
    a class says otherwise.

    It never holds the model and never writes into its inputs. It computes in float32 or better, whatever the autocast
    dtype. For any finite logits, it and its gradient are finite.

    A subclass defines `num_outputs`, `scores`, `thresholds` and `compute`; most inherit these from ThresholdClassLoss
    or ZeroThresholdLoss and define only `pair_losses`. The parameters of a loss are the arguments of its constructor
    after `num_relations`.

    reference:    the paper, and the equation if it has a number.
    margin_shift: calibration, a number added to every margin: [R], or a scalar for all relations; 0 without
                  calibration.
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
        """The number of logits that the classifier has to produce for each entity pair."""

    @abstractmethod
    def scores(self, logits: Tensor) -> Tensor:
        """The scores s_r of the relations: logits [pairs, outputs] -> [pairs, R]."""

    @abstractmethod
    def thresholds(self, logits: Tensor) -> Tensor:
        """The threshold that each score has to exceed: logits [pairs, outputs] -> [pairs, R], or [pairs, 1] if all
        relations share one."""

    @abstractmethod
    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        """The loss of a batch with at least one pair, a scalar; `labels` bool [pairs, R]."""

    @classmethod
    def from_training_data(cls, statistics: LabelStatistics) -> dict[str, Any]:
        """The parameters that are computed from the training data unless the config gives them. They become part of the
        run's resolved config, so that its checkpoints hold them."""
        return {}

    def forward(self, output: ModelOutput, labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar, from the model's output and `labels` [pairs, R] (bool or 0/1).

        It is 0 for a batch without pairs. Raises DocreError if logits, labels or what a subclass returns have the wrong
        shape.
        """
        inputs = (("logits", output.logits, self.num_outputs), ("labels", labels, self.num_relations))
        for name, tensor, columns in inputs:
            if tensor.shape != (len(labels), columns):
                shapes = f"{list(tensor.shape)}, expected {[len(labels), columns]}"
                raise DocreError(f"{type(self).__name__}: {name} have shape {shapes}")
        with torch.autocast(output.logits.device.type, enabled=False):
            output = output.at_least_float32()
            if not len(labels):
                return output.logits.sum()
            loss = self.compute(output, labels.bool())
        check_scalar(loss, f"{type(self).__name__}.compute")
        return loss

    def margins(self, logits: Tensor) -> Tensor:
        """The margins d_r = s_r - threshold + margin_shift, positive where the relation is predicted: logits [pairs,
        outputs] -> [pairs, R] in float32 or better."""
        return self.unshifted_margins(logits) + self.margin_shift

    def unshifted_margins(self, logits: Tensor) -> Tensor:
        """s_r - threshold, without the shift of a calibration, which is for decisions: logits [pairs, outputs] ->
        [pairs, R] in float32 or better."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return self.scores(logits) - self.thresholds(logits)

    def decide(self, logits: Tensor, top_k: int = -1) -> Tensor:
        """The predicted relations, logits [pairs, outputs] -> bool [pairs, R]: those with a positive margin; for each
        pair at most `top_k` of them, those with the highest scores (no limit if top_k < 1)."""
        return self.limit(self.margins(logits) > 0, self.scores(logits), top_k)

    def limit(self, chosen: Tensor, scores: Tensor, top_k: int) -> Tensor:
        """Of each pair's `chosen` relations those that are kept: chosen bool, scores [pairs, R] -> bool [pairs, R]."""
        return keep_best(chosen, scores, top_k)

    def mean(self, losses: Tensor, pairs: int) -> Tensor:
        """The mean of what `pair_losses` returned. Raises DocreError unless it is one number for each pair."""
        shape = list(losses.shape) if isinstance(losses, Tensor) else losses
        if shape != [pairs]:
            name = type(self).__name__
            raise DocreError(
                f"{name}.pair_losses returned {shape}, expected [{pairs}]: one loss for each pair, those without a "
                "relation too"
            )
        return losses.mean()


LOSSES: Registry[Loss] = Registry("loss", "docre.losses", Loss)


def keep_best(chosen: Tensor, scores: Tensor, top_k: int) -> Tensor:
    """Of each pair's `chosen` relations keep the `top_k` with the highest scores (all if top_k < 1): chosen bool and
    scores [pairs, relations] -> bool [pairs, relations]."""
    if not 0 < top_k < chosen.shape[1]:
        return chosen
    best = scores.masked_fill(~chosen, -torch.inf).topk(top_k, dim=1).indices
    return chosen & torch.zeros_like(chosen).scatter_(1, best, True)


class ThresholdClassDecision(Loss):
    """The outputs and the decision of a loss with a learned threshold class TH (Zhou et al. 2021): column 0 of the
    logits is the threshold, the other columns are the scores of the relations."""

    @property
    def num_outputs(self) -> int:
        return self.num_relations + 1

    def scores(self, logits: Tensor) -> Tensor:
        return logits[:, 1:]

    def thresholds(self, logits: Tensor) -> Tensor:
        return logits[:, :1]


class ThresholdClassLoss(ThresholdClassDecision):
    """A loss with a threshold class: the mean over pairs of `pair_losses`, which a subclass defines."""

    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        losses = self.pair_losses(self.scores(output.logits), self.thresholds(output.logits), labels)
        return self.mean(losses, len(labels))

    @abstractmethod
    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        """The loss of each pair: scores s [pairs, R], threshold t [pairs, 1], labels bool [pairs, R] -> [pairs]."""


class ZeroThresholdLoss(Loss):
    """A loss without a threshold class, where a relation is predicted if its score is positive: the mean over pairs of
    `pair_losses`, which a subclass defines."""

    @property
    def num_outputs(self) -> int:
        return self.num_relations

    def scores(self, logits: Tensor) -> Tensor:
        return logits

    def thresholds(self, logits: Tensor) -> Tensor:
        return torch.zeros_like(logits[:, :1])

    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        return self.mean(self.pair_losses(output.logits, labels), len(labels))

    @abstractmethod
    def pair_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each pair: logits [pairs, outputs], labels bool [pairs, R] -> [pairs]."""
