"""ATGL, the adaptive thresholding loss with a global softmax."""

import torch
from torch import Tensor

from docre.losses.base import LOSSES, Positive, ThresholdClassLoss


@LOSSES.register("atgl")
class ATGL(ThresholdClassLoss):
    """One weighted softmax cross-entropy over the relations and TH.

    L = - sum_{r in P + {TH}} w_r log softmax(t, s_1 .. s_R)_r,  w_p = alpha, w_TH = 1, w_n = 0

    Its gradient is W p - w, with p the softmax and W the sum of the weights: it sums to zero over the classes, never
    raises the score of a negative relation, and vanishes at s_p - t = log(alpha), so alpha determines how far above TH
    the positives settle (Appendix A of the paper; tested by tests/losses/test_atgl_theory.py).

    Parameters: alpha > 0, the weight of a positive relation. Published: 16.5 on Re-DocRED, 20 on DocGNRE, 6 on DWIE,
    7.5 on CDR.
    Use it as the default: it is the most stable of the family where labels are complete. With a smaller alpha fewer
    relations are predicted: the loss is minimal where softmax_p : softmax_TH = alpha P(p) : 1, so a relation p is
    predicted if its probability exceeds 1 / alpha. Short training, after which the model is still unsure, needs a
    smaller alpha than published (results/README.md).
    Siblings: `atl` has two separate softmaxes, positives against TH and TH against negatives.
    Reference: the ATGL paper, eq. 6.
    """

    reference = "ATGL paper, eq. 6"

    def __init__(self, num_relations: int, alpha: Positive = 16.5) -> None:
        super().__init__(num_relations)
        self.alpha = alpha

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        normalizer = torch.cat([threshold, scores], dim=1).logsumexp(1, keepdim=True)
        positives = (normalizer - scores).masked_fill(~labels, 0).sum(1)
        return self.alpha * positives + (normalizer - threshold).squeeze(1)
