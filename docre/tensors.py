"""What passes between the stages of the network: the Batch that data makes, the ModelOutput that losses read.

Neither knows where it comes from. Indices are flat: documents, windows, tokens, mentions, entities and pairs of the
whole batch are numbered through, so that every stage is a few gathers and matrix products, whatever the batch holds.
"""

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Some documents as index tensors. All tensors are int64 unless said otherwise.

    A document longer than the encoder's limit is read through several overlapping windows; a shorter one is one window.
    "Window tokens" are the tokens of all windows laid end to end, "document tokens" those of all documents: no padding.

    input_ids:       [window tokens] token ids, with each window's own [CLS] and [SEP].
    position_ids:    [window tokens] position of each token in its window, from 0.
    window_lengths:  tokens of each window (host integers, as are the other `*_lengths` and `*_counts`).
    merge_source:    [merged] window tokens that stand for document tokens ...
    merge_target:    [merged] ... and the document tokens that they stand for; a document token read by two windows is
                     the mean of both, one read by none is zero.
    document_lengths: tokens of each document, [CLS] and [SEP] included.
    row_token:       [rows] window tokens whose attention is read: every window's copy of every mention's marker,
                     window by window.
    row_mention:     [rows] the mention of each row.
    row_start:       [rows] where, in its document, column `row_skip` of the row's window stands.
    row_skip:        [rows] leading columns of the row's window that are not the document's (a [CLS] of its own).
    row_length:      [rows] columns of the row's window that are the document's.
    row_counts:      rows of each window.
    mention_token:   [mentions] the document token that represents each mention: its start marker. Mentions that the
                     length limit cut off are not here.
    mention_entity:  [mentions] the entity of each mention.
    mention_split:   [mentions] bool, True where the mention's document is read through several windows.
    entity_counts:   entities of each document.
    context_first:   [contexts] the unordered entity pairs, first < second: head -> tail and tail -> head share the
    context_second:  [contexts] context that both attend to.
    context_counts:  contexts of each document.
    pair_head:       [pairs] the head entity of each pair to classify ...
    pair_tail:       [pairs] ... its tail entity ...
    pair_context:    [pairs] ... and its context.
    pair_counts:     pairs of each document.
    labels:          [pairs, relations] bool, True where the relation holds; an NA pair is an all-False row. None for
                     unlabeled documents.
    titles:          the documents' titles, for messages and predictions.
    encoded:         the encoder's output, where it has been computed already (see `Encoder.encode_windows`): hidden
                     states [window tokens, hidden] and attention [rows, heads, longest window].
    """

    input_ids: Tensor
    position_ids: Tensor
    window_lengths: tuple[int, ...]
    merge_source: Tensor
    merge_target: Tensor
    document_lengths: tuple[int, ...]
    row_token: Tensor
    row_mention: Tensor
    row_start: Tensor
    row_skip: Tensor
    row_length: Tensor
    row_counts: tuple[int, ...]
    mention_token: Tensor
    mention_entity: Tensor
    mention_split: Tensor
    entity_counts: tuple[int, ...]
    context_first: Tensor
    context_second: Tensor
    context_counts: tuple[int, ...]
    pair_head: Tensor
    pair_tail: Tensor
    pair_context: Tensor
    pair_counts: tuple[int, ...]
    labels: Tensor | None
    titles: tuple[str, ...]
    encoded: tuple[Tensor, Tensor] | None = None

    def _map(self, change: str, *arguments: object, **keywords: object) -> "Batch":
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {k: getattr(v, change)(*arguments, **keywords) for k, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **moved)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch with its tensors on `device`."""
        return self._map("to", device, non_blocking=non_blocking)

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory (called by the DataLoader)."""
        return self._map("pin_memory")


@dataclass(frozen=True)
class ModelOutput:
    """What a model says of a batch.

    logits: [pairs, outputs] as many columns as the loss declared.
    head:   [pairs, groups, block] the head side of the grouped bilinear classifier, and
    tail:   [pairs, groups, block] its tail side. A pair's representation is the outer product of both, group by group
            ([pairs, groups * block * block]), which is never laid out; None where a model has no such thing.
    """

    logits: Tensor
    head: Tensor | None = None
    tail: Tensor | None = None

    def at_least_float32(self) -> "ModelOutput":
        """The same output with no tensor in half precision."""

        def up(tensor: Tensor) -> Tensor:
            return tensor.to(torch.promote_types(tensor.dtype, torch.float32))

        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return ModelOutput(**{name: up(value) for name, value in values.items() if value is not None})


def even_slices(length: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover `length`: as few as possible, but one, and alike in length."""
    count = max(1, -(-length // size))
    ends = [length * i // count for i in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]
