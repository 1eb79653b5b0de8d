"""NCRL, the none class ranking loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from docre.losses.base import LOSSES, NonNegative, ThresholdClassLoss
from docre.losses.sat import signed


@LOSSES.register("ncrl")
class NCRL(ThresholdClassLoss):
    """None class ranking loss: every relation is ranked against the none class TH, with slack for the negatives.

    L = sum_{p in P} -log sigma(d_p) + sum_{n in N} -log min(1, 1 - sigma(d_n) + shift)

    and, with `regularize`, the same for one more class, the margin of TH itself: d_0 = t - mean_r s_r, positive exactly
    for NA pairs. Probabilities below eps count as eps, without gradient.

    Parameters: shift in [0, 1), the probability below which a negative no longer counts; published 0.05, 0 switches it
    off. regularize (bool, published True). eps in [1e-30, 1), published 1e-8.
    Use it where easy negatives abound: those with a probability below the shift have no gradient, and the margin of TH
    itself is trained for NA pairs.
    Siblings: without shift, regularization and eps it is `sat`.
    Reference: Zhou and Lee 2022, "None Class Ranking Loss for Document-Level Relation Extraction" (IJCAI).
    """

    reference = "Zhou and Lee 2022 (IJCAI), NCRL"

    def __init__(
        self,
        num_relations: int,
        shift: Annotated[NonNegative, Field(lt=1)] = 0.05,
        regularize: bool = True,
        eps: Annotated[float, Field(ge=1e-30, lt=1)] = 1e-8,
    ) -> None:
        super().__init__(num_relations)
        self.shift = shift
        self.regularize = regularize
        self.eps = eps

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        losses = self.rank(scores - threshold, labels)
        if self.regularize:
            losses = losses + self.rank(threshold - scores.mean(1, keepdim=True), ~labels.any(1, keepdim=True))
        return losses

    def rank(self, margins: Tensor, labels: Tensor) -> Tensor:
        """The sum of both terms over some classes: margins and labels [pairs, classes] -> [pairs]."""
        right = signed(margins, labels).sigmoid()
        right = torch.where(labels, right, right + self.shift)
        return -right.clamp(self.eps, 1).log().sum(1)
