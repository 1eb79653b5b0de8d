"""SAT, the separate adaptive thresholding loss."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from docre.losses.base import LOSSES, ThresholdClassLoss


@LOSSES.register("sat")
class SAT(ThresholdClassLoss):
    """Separate adaptive thresholding: every relation is a separate binary decision against TH.

    L = sum_{p in P} -log sigma(d_p) + sum_{n in N} -log sigma(-d_n)

    Parameters: none.
    Use it as the basic member of the pairwise family, to measure what the additions of the others contribute.
    Siblings: `mean_sat` has means in place of the two sums, `hingeabl` weights their terms, `pemscl` adds entropies and
    a contrastive term, `ncrl` shifts the negatives, `aml` has hinges in place of the logarithms, `bce` has 0 in place
    of t. `atl` compares the relations with TH jointly.
    Reference: Wang et al. 2023, "Adaptive Hinge Balance Loss for Document-Level Relation Extraction" (Findings of
    EMNLP).
    """

    reference = "Wang et al. 2023 (Findings of EMNLP), HingeABL"

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        return logistic(scores - threshold, labels).sum(1)


def logistic(margins: Tensor, labels: Tensor) -> Tensor:
    """-log sigma(d_p) where the relation holds and -log sigma(-d_n) where it does not; all [pairs, relations]."""
    return -logsigmoid(signed(margins, labels))


def signed(margins: Tensor, labels: Tensor) -> Tensor:
    """d_p where the relation holds and -d_n where it does not: positive where the decision is right."""
    return torch.where(labels, margins, -margins)
