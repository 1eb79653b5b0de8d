"""AML, the adaptive margin loss of SagDRE."""

from torch import Tensor

from docre.losses.base import LOSSES, Positive, ThresholdClassLoss
from docre.losses.sat import signed


@LOSSES.register("aml")
class AML(ThresholdClassLoss):
    """Adaptive margin loss: a positive has to exceed TH by a margin m, a negative to stay below it by m.

    L = sum_{p in P} max(0, m - d_p) + sum_{n in N} max(0, m + d_n)

    Parameters: margin > 0, m. Published: 1.
    Use it to train only on relations that are not clearly decided yet: for a relation that keeps the margin the
    gradient is 0, for any other +-1.
    Siblings: `sat` has the logistic loss in place of the hinge; `hingeabl` uses such hinges as weights.
    Reference: Wei and Li 2022, "SagDRE: Sequence-Aware Graph-Based Document-Level Relation Extraction with Adaptive
    Margin Loss" (KDD).
    """

    reference = "Wei and Li 2022 (KDD), SagDRE"

    def __init__(self, num_relations: int, margin: Positive = 1.0) -> None:
        super().__init__(num_relations)
        self.margin = margin

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        return (self.margin - signed(scores - threshold, labels)).relu().sum(1)
