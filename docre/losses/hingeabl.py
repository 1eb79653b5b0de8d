"""HingeABL, the adaptive hinge balance loss."""

from torch import Tensor
from torch.nn.functional import logsigmoid

from docre.losses.base import LOSSES, Positive, ThresholdClassLoss
from docre.losses.mean_sat import mean_where
from docre.losses.sat import signed


@LOSSES.register("hingeabl")
class HingeABL(ThresholdClassLoss):
    """Adaptive hinge balance loss: SAT with each term weighted by how far the relation is from keeping a margin to TH.

    L = sum_{p in P} a_p (-log sigma(d_p)) + sum_{n in N} b_n (-log sigma(-d_n))
    a_p = max(0, m - d_p) / sum_{p' in P} max(0, m - d_p'),  b_n = max(0, m + d_n) / sum_{n' in N} max(0, m + d_n')

    The gradient flows through the weights too. If all positives (or all negatives) keep the margin, their sum is 0.

    Parameters: margin > 0, m. Published: 5.
    Use it where most relations of a pair are easy: the few on the wrong side of TH, or close to it, get the weight.
    Siblings: `mean_sat` has equal weights, `sat` has weights of 1, `aml` is the hinge alone.
    Reference: Wang et al. 2023, "Adaptive Hinge Balance Loss for Document-Level Relation Extraction" (Findings of
    EMNLP).
    """

    reference = "Wang et al. 2023 (Findings of EMNLP), HingeABL"

    def __init__(self, num_relations: int, margin: Positive = 5.0) -> None:
        super().__init__(num_relations)
        self.margin = margin

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        margins = signed(scores - threshold, labels)
        losses, hinges = -logsigmoid(margins), (self.margin - margins).relu()
        return mean_where(labels, losses, hinges) + mean_where(~labels, losses, hinges)
