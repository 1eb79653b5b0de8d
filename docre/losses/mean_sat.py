"""Mean-SAT: SAT with means over positives and negatives in place of sums."""

import torch
from torch import Tensor

from docre.losses.base import LOSSES, ThresholdClassLoss
from docre.losses.sat import logistic


@LOSSES.register("mean_sat")
class MeanSAT(ThresholdClassLoss):
    """Mean separate adaptive thresholding: the positives of a pair together count as much as its negatives.

    L = mean_{p in P} -log sigma(d_p) + mean_{n in N} -log sigma(-d_n)

    A mean over nothing is 0.

    Parameters: none.
    Use it where the many negatives outweigh the few positives: it predicts more relations than `sat`.
    Siblings: `sat` has sums in place of the means; `hingeabl` weights the means by how far a relation is from keeping a
    margin.
    Reference: Wang et al. 2023, "Adaptive Hinge Balance Loss for Document-Level Relation Extraction" (Findings of
    EMNLP).
    """

    reference = "Wang et al. 2023 (Findings of EMNLP), HingeABL"

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        losses = logistic(scores - threshold, labels)
        return mean_where(labels, losses) + mean_where(~labels, losses)


def mean_where(chosen: Tensor, values: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean of each pair's `chosen` values, weighted if `weights` >= 0 are given: all [pairs, relations] -> [pairs].
    It is 0 where nothing is chosen or all weights are 0."""
    weights = chosen.to(values.dtype) if weights is None else weights.masked_fill(~chosen, 0)
    total = weights.sum(1)
    return (weights * values).sum(1) / torch.where(total > 0, total, 1)
