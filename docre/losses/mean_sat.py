"""Mean-SAT: SAT with both sides averaged."""

import torch
from torch import Tensor

from docre.losses.base import LOSSES, ThresholdClassLoss
from docre.losses.sat import logistic


@LOSSES.register("mean_sat")
class MeanSAT(ThresholdClassLoss):
    """Mean separate adaptive thresholding: the positives and the negatives of a pair count the same in total.

    L = mean_{p in P} -log sigma(d_p) + mean_{n in N} -log sigma(-d_n), a mean over nothing being 0

    Parameters: none.
    Use it where the many negatives drown the few positives: it predicts more than `sat`.
    Siblings: `sat` sums in place of the means; `hingeabl` has means weighted by how far a relation still has to go.
    Reference: Wang et al. 2023, "Adaptive Hinge Balance Loss for Document-Level Relation Extraction" (Findings of
    EMNLP).
    """

    reference = "Wang et al. 2023 (Findings of EMNLP), HingeABL"

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        losses = logistic(scores - threshold, labels)
        return mean_where(labels, losses) + mean_where(~labels, losses)


def mean_where(chosen: Tensor, values: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean, weighted if `weights` >= 0 are given, of each pair's `chosen` values: all [pairs, relations] ->
    [pairs]; 0 where nothing is chosen or has a weight."""
    weights = chosen.to(values.dtype) if weights is None else weights.masked_fill(~chosen, 0)
    total = weights.sum(1)
    return (weights * values).sum(1) / torch.where(total > 0, total, 1)
