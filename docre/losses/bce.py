"""BCE, binary cross-entropy."""

from torch import Tensor

from docre.losses.base import LOSSES, ZeroThresholdLoss
from docre.losses.sat import logistic


@LOSSES.register("bce")
class BCE(ZeroThresholdLoss):
    """Binary cross-entropy: every relation is a separate logistic regression, without a threshold class.

    L = sum_{p in P} -log sigma(s_p) + sum_{n in N} -log sigma(-s_n)

    A relation is predicted if s_r > 0, that is, if its probability is above 0.5.

    Parameters: none.
    Use it as the baseline without adaptive threshold.
    Siblings: `sat` is the same with s_r - t in place of s_r; `balanced_softmax` ranks the relations jointly against 0.
    Reference: Yao et al. 2019, "DocRED: A Large-Scale Document-Level Relation Extraction Dataset" (ACL).
    """

    reference = "Yao et al. 2019 (ACL), DocRED"

    def pair_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        return logistic(logits, labels).sum(1)
