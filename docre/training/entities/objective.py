"""What the training of the entity model minimizes."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from docre.entities.batch import EntityBatch
from docre.entities.model import EntityModel

PARTS = ["mentions", "coreference"]


class EntityObjective(nn.Module):
    """The mean over documents of two cross-entropies: of all spans' types, by the number of gold mentions; and of all
    pairs of gold mentions, by their number, to be of one entity or not.

    epoch: the current epoch, which changes nothing here.
    """

    def __init__(self, model: EntityModel) -> None:
        super().__init__()
        self.model = model
        self.epoch = 1
        self.part_names = PARTS

    def parts(self) -> list[str]:
        """The names of what it consists of."""
        return PARTS

    def forward(self, batch: EntityBatch, totals: Mapping[str, int]) -> tuple[Tensor, list[Tensor]]:
        """The share of a batch in the objective of its step, a scalar, and that of each part. `totals`: the number of
        "documents" of the step."""
        words = self.model.words(batch)
        logits = self.model.span_logits(self.model.span_sides(*words), batch.span_start, batch.span_length)
        one, other = batch.pair_spans.unbind(1)
        pairs = self.model.pair_logits(
            self.model.mentions(words, batch.span_start[one], batch.span_length[one]),
            self.model.mentions(words, batch.span_start[other], batch.span_length[other]),
            batch.pair_names,
        )
        with torch.autocast(logits.device.type, enabled=False):
            spans = cross_entropy(logits, batch.gold_type, reduction="none") @ batch.gold_weight
            same = (
                binary_cross_entropy_with_logits(pairs, batch.pair_same.float(), reduction="none") @ batch.pair_weight
            )
            parts = [spans / totals["documents"], same / totals["documents"]]
        return parts[0] + parts[1], [part.detach() for part in parts]
