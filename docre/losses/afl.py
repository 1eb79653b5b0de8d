"""AFL, the adaptive focal loss of KD-DocRE."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from docre.losses.atl import rank_below
from docre.losses.base import LOSSES, NonNegative, ThresholdClassLoss


@LOSSES.register("afl")
class AFL(ThresholdClassLoss):
    """Adaptive focal loss: ATL, but each positive is compared with TH alone, the harder ones with more weight.

    L = sum_{p in P} -(1 + (1 - sigma(d_p))^gamma) log sigma(d_p) - log( e^t / (e^t + sum_{n in N} e^{s_n}) )

    Parameters: gamma >= 0, how fast the extra weight of a positive falls as its score rises above TH; with 0 every
    positive has weight 2. Published: 1.
    Use it where relations are long-tailed and a pair often has several: in ATL's softmax a frequent positive relation
    can crowd out a rare one of the same pair, here it cannot.
    Siblings: the term for negatives is that of `atl`; the term for positives is that of `sat` with a focal weight.
    Reference: Tan et al. 2022, "Document-Level Relation Extraction with Adaptive Focal Loss and Knowledge
    Distillation" (Findings of ACL), section 3.3.
    """

    reference = "Tan et al. 2022 (Findings of ACL), KD-DocRE"

    def __init__(self, num_relations: int, gamma: NonNegative = 1.0) -> None:
        super().__init__(num_relations)
        self.gamma = gamma

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        log_above = logsigmoid(scores - threshold)
        # log(1 - sigma(d)): computed from logarithms, the power has a gradient even where 1 - sigma(d) rounds to 0
        log_below = log_above - (scores - threshold)
        focal = (1 + torch.exp(self.gamma * log_below)) * log_above
        return rank_below(scores, threshold, labels) - focal.masked_fill(~labels, 0).sum(1)
