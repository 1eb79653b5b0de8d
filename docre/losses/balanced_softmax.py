"""Balanced softmax, the loss of DocuNet."""

import torch
from torch import Tensor

from docre.losses.atl import rank_below
from docre.losses.base import LOSSES, ZeroThresholdLoss


@LOSSES.register("balanced_softmax")
class BalancedSoftmax(ZeroThresholdLoss):
    """Balanced softmax: ranks all positives above 0 and all negatives below it, each side in one softmax with 0.

    L = log(1 + sum_{n in N} e^{s_n}) + log(1 + sum_{p in P} e^{-s_p})

    where P and N also include a class NA, column 0 of the logits, which is positive exactly for NA pairs. A relation is
    predicted if s_r > 0: column 0 is trained, but is not used as a threshold.

    Parameters: none.
    Use it as a joint loss without adaptive threshold: unlike in `bce`, the hardest relation of each side dominates, so
    the number of negatives matters little.
    Siblings: `atl` has the softmaxes with the learned TH in place of 0; `bce` has no softmax.
    Reference: Zhang et al. 2021, "Document-level Relation Extraction as Semantic Segmentation" (IJCAI), section 3.4.
    """

    reference = "Zhang et al. 2021 (IJCAI), DocuNet"

    @property
    def num_outputs(self) -> int:
        return self.num_relations + 1

    def scores(self, logits: Tensor) -> Tensor:
        return logits[:, 1:]

    def pair_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        labels = torch.cat([~labels.any(1, keepdim=True), labels], dim=1)
        zero = torch.zeros_like(logits[:, :1])
        return rank_below(logits, zero, labels) + rank_below(-logits, zero, ~labels)
