"""ATL, the adaptive thresholding loss of ATLOP."""

from torch import Tensor
from torch.nn.functional import pad

from docre.losses.base import LOSSES, ThresholdClassLoss


@LOSSES.register("atl")
class ATL(ThresholdClassLoss):
    """Adaptive thresholding loss: ranks the positive relations above TH and TH above the negative ones.

    L = - sum_{p in P} log( e^{s_p} / (e^t + sum_{p' in P} e^{s_p'}) ) - log( e^t / (e^t + sum_{n in N} e^{s_n}) )

    Parameters: none.
    Use it as the baseline that every later DocRE loss compares with.
    Siblings: `afl` decouples the positives, `atgl` replaces both terms by one softmax over all classes.
    Reference: Zhou et al. 2021, "Document-Level Relation Extraction with Adaptive Thresholding and Localized Context
    Pooling" (AAAI), section 3.2; eq. 1 of the ATGL paper.
    """

    reference = "Zhou et al. 2021 (AAAI), ATLOP"

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        above = rank_above(scores, threshold, labels)
        return above + rank_below(scores, threshold, labels)


def rank_above(scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
    """- sum_{p in P} log( e^{s_p} / (e^t + sum_{p' in P} e^{s_p'}) ) of each pair, [pairs]; 0 for NA pairs."""
    normaliser = with_threshold(scores, threshold, labels).logsumexp(1, keepdim=True)
    return (normaliser - scores).masked_fill(~labels, 0).sum(1)


def rank_below(scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
    """- log( e^t / (e^t + sum_{n in N} e^{s_n}) ) of each pair, [pairs]."""
    return with_threshold(scores, threshold, ~labels).logsumexp(1) - threshold.squeeze(1)


def with_threshold(scores: Tensor, threshold: Tensor, keep: Tensor) -> Tensor:
    """[t, s_r where `keep`, -inf elsewhere], [pairs, 1 + R]: what a softmax over TH and some relations runs over."""
    kept = pad(scores.masked_fill(~keep, float("-inf")), (1, 0))
    kept[:, :1] = threshold
    return kept
