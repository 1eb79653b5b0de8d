"""SSR-PU, positive-unlabeled learning with squared ranking losses."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.losses.base import LOSSES, NonNegative, Positive, ThresholdClassDecision
from docre.tensors import ModelOutput

LARGEST_PRIOR = 0.99


@LOSSES.register("ssr_pu")
class SSRPU(ThresholdClassDecision):
    """Shift and squared ranking loss for positive-unlabeled data: an unlabeled relation may hold all the same.

    For relation i let the prior pi_i be the share of training pairs labeled with it (plus an offset), o_i = e pi_i its
    assumed true share, and sq(S, y) = mean over the batch's pairs in S of factor (y d_i - m)^2, or 0 if S is empty.
    Then

    risk1 = (1 - pi_i) sq(unlabeled, -1) - (o_i - pi_i) sq(labeled, -1)
    risk2 = sqrt(o_i (1 - o_i)) sq(labeled, +1)
    L = sum_i risk1 + risk2 where risk1 >= 0, else -risk1

    (the paper's coefficients, with u_i = (o_i - pi_i) / (1 - pi_i) and the weight sqrt((1 - o_i) / o_i) multiplied out
    to avoid their divisions). The loss is a function of the whole batch, not a mean over pairs, and its gradient grows
    with the margins.

    o_i is at most 0.99, and at least pi_i. For a relation with prior 0 only the risk of unlabeled pairs remains, which
    moves its margins towards -m.

    Parameters: priors, the pi_i of all relations, in [0, 1]; counted from the training data if not given.
    prior_ratio >= 1, e; published 3 (TTM-RE: 1). margin >= 0, m; published 0.25 (TTM-RE: 1). factor > 0; published 0.25
    (TTM-RE: 1). prior_offset in [0, 1], added to all priors, which stay at most 1; published 0 (TTM-RE: 1e-9, so that
    prior 0 has a small weight).
    Use it where many true triples are unlabeled, as in DocRED before its revision.
    Siblings: all others treat an unlabeled relation as a negative.
    Reference: Wang et al. 2022, "A Unified Positive-Unlabeled Learning Framework for Document-Level Relation
    Extraction with Different Levels of Labeling" (EMNLP); TTM-RE is Gao et al. 2024 (ACL).
    """

    reference = "Wang et al. 2022 (EMNLP), SSR-PU"
    unlabeled_weight: Tensor
    labeled_weight: Tensor
    positive_weight: Tensor

    def __init__(
        self,
        num_relations: int,
        priors: list[Annotated[float, Field(ge=0, le=1)]],
        prior_ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 3.0,
        margin: NonNegative = 0.25,
        factor: Positive = 0.25,
        prior_offset: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        super().__init__(num_relations)
        if len(priors) != num_relations:
            raise DocreError(f"loss 'ssr_pu', parameter 'priors': got {len(priors)}, expected {num_relations}")
        self.margin = margin
        self.factor = factor
        prior = (torch.tensor(priors, dtype=torch.float64) + prior_offset).clamp(max=1)
        true_prior = (prior_ratio * prior).clamp(max=LARGEST_PRIOR).maximum(prior)
        weights = {
            "unlabeled_weight": 1 - prior,
            "labeled_weight": true_prior - prior,
            "positive_weight": (true_prior * (1 - true_prior)).sqrt(),
        }
        for name, weight in weights.items():
            self.register_buffer(name, weight.float(), persistent=False)

    @classmethod
    def from_training_data(cls, statistics: LabelStatistics) -> dict[str, Any]:
        return {"priors": [positives / max(statistics.pairs, 1) for positives in statistics.positives]}

    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        margins = self.unshifted_margins(output.logits)
        below = self.factor * (-margins - self.margin).square()
        above = self.factor * (margins - self.margin).square()
        risk1 = self.unlabeled_weight * mean_over_pairs(below, ~labels)
        risk1 = risk1 - self.labeled_weight * mean_over_pairs(below, labels)
        risk2 = self.positive_weight * mean_over_pairs(above, labels)
        return torch.where(risk1 >= 0, risk1 + risk2, -risk1).sum()


def mean_over_pairs(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of each relation's `chosen` values: both [pairs, relations] -> [relations]; 0 where none is chosen."""
    return values.masked_fill(~chosen, 0).sum(0) / chosen.sum(0).clamp(min=1)
