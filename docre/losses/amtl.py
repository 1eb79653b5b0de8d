"""AMTL, the adaptive multi-threshold loss."""

from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.losses.atl import adaptive_threshold
from docre.losses.base import LOSSES, Loss, Positive, keep_best
from docre.tensors import ModelOutput

PUBLISHED_SIZES = (10, 20, 46, 20)


@LOSSES.register("amtl")
class AMTL(Loss):
    """Adaptive multi-threshold loss: frequent and rare relations each have a threshold of their own.

    The relations are divided into G groups, each with a threshold t_g. Columns 0 .. G - 1 of the logits are the
    thresholds; the relations follow in their usual order.

    L = 1/G sum_g ATL(scores of group g, threshold (sum_g' t_g') / lambda)

    A relation is predicted if its score is above t_g of its own group; top_k applies to each group separately.

    Parameters: groups, lists of relation indices (from 0) that hold every relation once. If they are not given, they
    come from the training data: the relations, most frequent first, are divided in the published proportions (10, 20,
    46 and 20 of Re-DocRED's 96; boundaries are rounded to whole relations, and an empty group is dropped).
    threshold_divisor > 0, lambda; published 3.5 (with 4 groups).
    Use it where relations are many and long-tailed, so that one threshold cannot fit all.
    Siblings: with one group and lambda 1 it is `atl`.
    Reference: Xu et al. 2025, "An Adaptive Multi-Threshold Loss and a General Framework for Collaborating Losses in
    Document-Level Relation Extraction" (Findings of ACL).
    """

    reference = "Xu et al. 2025 (Findings of ACL), AMTL"
    order: Tensor
    group_of: Tensor

    def __init__(self, num_relations: int, groups: list[list[int]], threshold_divisor: Positive = 3.5) -> None:
        super().__init__(num_relations)
        order = [relation for group in groups for relation in group]
        if sorted(order) != list(range(num_relations)) or not all(groups):
            raise DocreError(
                f"loss 'amtl', parameter 'groups': expected non-empty lists that together hold each of the relations "
                f"0 .. {num_relations - 1} once, got {groups}"
            )
        self.sizes = [len(group) for group in groups]
        self.threshold_divisor = threshold_divisor
        group_of = torch.arange(len(groups)).repeat_interleave(torch.tensor(self.sizes))[torch.tensor(order).argsort()]
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.register_buffer("group_of", group_of, persistent=False)

    @classmethod
    def from_training_data(cls, statistics: LabelStatistics) -> dict[str, Any]:
        counts = statistics.positives
        order = sorted(range(len(counts)), key=lambda relation: -counts[relation])
        cuts = [round(len(order) * end / sum(PUBLISHED_SIZES)) for end in accumulate(PUBLISHED_SIZES, initial=0)]
        return {"groups": [order[start:end] for start, end in pairwise(cuts) if start < end]}

    @property
    def num_outputs(self) -> int:
        return len(self.sizes) + self.num_relations

    def scores(self, logits: Tensor) -> Tensor:
        return logits[:, len(self.sizes) :]

    def thresholds(self, logits: Tensor) -> Tensor:
        return logits[:, self.group_of]

    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        threshold = output.logits[:, : len(self.sizes)].sum(1, keepdim=True) / self.threshold_divisor
        scores = self.scores(output.logits)[:, self.order].split(self.sizes, dim=1)
        labels_of = labels[:, self.order].split(self.sizes, dim=1)
        losses = [adaptive_threshold(s, threshold, y) for s, y in zip(scores, labels_of, strict=True)]
        return torch.stack(losses).mean()

    def limit(self, chosen: Tensor, scores: Tensor, top_k: int) -> Tensor:
        kept = torch.zeros_like(chosen)
        for group in self.order.split(self.sizes):
            kept[:, group] = keep_best(chosen[:, group], scores[:, group], top_k)
        return kept
