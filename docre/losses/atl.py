"""ATL, the adaptive thresholding loss of ATLOP."""

import torch
from torch import Tensor

from docre.losses.base import LOSSES, ThresholdClassLoss


@LOSSES.register("atl")
class ATL(ThresholdClassLoss):
    """Adaptive thresholding loss: ranks the positive relations above TH and TH above the negative ones.

    L = - sum_{p in P} log( e^{s_p} / (e^t + sum_{p' in P} e^{s_p'}) ) - log( e^t / (e^t + sum_{n in N} e^{s_n}) )

    Parameters: none.
    Use it as the baseline that every later DocRE loss compares with.
    Siblings: `afl` decouples the positives, `amtl` has a threshold for each group of relations, `sat` compares every
    relation with TH alone, `atgl` replaces both terms by one softmax over all classes.
    Reference: Zhou et al. 2021, "Document-Level Relation Extraction with Adaptive Thresholding and Localized Context
    Pooling" (AAAI), section 3.2; eq. 1 of the ATGL paper.
    """

    reference = "Zhou et al. 2021 (AAAI), ATLOP"

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        return adaptive_threshold(scores, threshold, labels)


def adaptive_threshold(scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
    """The ATL loss of each pair: scores and labels [pairs, relations], threshold [pairs, 1] -> [pairs]."""
    return rank_above(scores, threshold, labels) + rank_below(scores, threshold, labels)


def rank_above(scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
    """- sum_{p in P} log( e^{s_p} / (e^t + sum_{p' in P} e^{s_p'}) ) of each pair, [pairs]; 0 for NA pairs."""
    normalizer = log_sum(scores, threshold, labels)
    return (normalizer - scores).masked_fill(~labels, 0).sum(1)


def rank_below(scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
    """- log( e^t / (e^t + sum_{n in N} e^{s_n}) ) of each pair, [pairs]."""
    return (log_sum(scores, threshold, ~labels) - threshold).squeeze(1)


def log_sum(scores: Tensor, threshold: Tensor, chosen: Tensor) -> Tensor:
    """log(e^t + the sum of e^{s_r} over the `chosen` relations), [pairs, 1]."""
    return torch.cat([threshold, scores.masked_fill(~chosen, -torch.inf)], dim=1).logsumexp(1, keepdim=True)
