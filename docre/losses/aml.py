"""AML, the adaptive margin loss of SagDRE."""

from torch import Tensor

from docre.losses.base import LOSSES, Positive, ThresholdClassLoss
from docre.losses.sat import signed


@LOSSES.register("aml")
class AML(ThresholdClassLoss):
    """Adaptive margin loss: every relation must keep a margin m from TH, a positive above, a negative below.

    L = sum_{p in P} max(0, m - d_p) + sum_{n in N} max(0, m + d_n)

    Parameters: margin > 0, m. Published: 1.
    Use it to train on what is not yet decided: a relation that keeps the margin has gradient 0, any other one +-1.
    Siblings: `sat` has the logistic function in place of the hinge, `hingeabl` uses such hinges as weights.
    Reference: Wei and Li 2022, "SagDRE: Sequence-Aware Graph-Based Document-Level Relation Extraction with Adaptive
    Margin Loss" (KDD).
    """

    reference = "Wei and Li 2022 (KDD), SagDRE"

    def __init__(self, num_relations: int, margin: Positive = 1.0) -> None:
        super().__init__(num_relations)
        self.margin = margin

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        return (self.margin - signed(scores - threshold, labels)).relu().sum(1)
