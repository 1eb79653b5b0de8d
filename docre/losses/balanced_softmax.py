"""Balanced softmax, the loss of DocuNet."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from docre.losses.atl import rank_below
from docre.losses.base import LOSSES, ZeroThresholdLoss, keep_best


@LOSSES.register("balanced_softmax")
class BalancedSoftmax(ZeroThresholdLoss):
    """Balanced softmax: ranks all positives above 0 and all negatives below it, each side in one softmax with 0.

    L = log(1 + sum_{n in N} e^{s_n}) + log(1 + sum_{p in P} e^{-s_p})

    where P and N also include a class NA, column 0 of the logits, which is positive exactly for NA pairs. A relation is
    predicted if s_r > 0: column 0 is trained, but is not used as a threshold.

    Parameters: na_takes_a_place, whether NA is one of the top_k classes of a pair if it scores higher than one of them,
    so that a relation above 0 may lose its place to it. Published: true.
    Use it as a joint loss without adaptive threshold: unlike in `bce`, the hardest relation of each side dominates, so
    the number of negatives matters little.
    Siblings: `atl` has the softmaxes with the learned TH in place of 0; `bce` has no softmax.
    Reference: Zhang et al. 2021, "Document-level Relation Extraction as Semantic Segmentation" (IJCAI), section 3.4.
    """

    reference = "Zhang et al. 2021 (IJCAI), DocuNet"

    def __init__(self, num_relations: int, na_takes_a_place: bool = False) -> None:
        super().__init__(num_relations)
        self.na_takes_a_place = na_takes_a_place

    @property
    def num_outputs(self) -> int:
        return self.num_relations + 1

    def scores(self, logits: Tensor) -> Tensor:
        return logits[:, 1:]

    def pair_losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        labels = torch.cat([~labels.any(1, keepdim=True), labels], dim=1)
        zero = torch.zeros_like(logits[:, :1])
        return rank_below(logits, zero, labels) + rank_below(-logits, zero, ~labels)

    def decide(self, logits: Tensor, top_k: int = -1) -> Tensor:
        if not self.na_takes_a_place:
            return super().decide(logits, top_k)
        chosen = pad(self.margins(logits) > 0, (1, 0), value=True)
        return keep_best(chosen, logits.float(), top_k)[:, 1:]
