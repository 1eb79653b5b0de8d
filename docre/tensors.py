"""The tensors that pass between the stages of the network: Batch, the model's input, and ModelOutput, the loss's input.

Indices are flat: the documents, windows, tokens, mentions, entities and pairs of a batch are each numbered across the
whole batch. So every stage is a few gathers and matrix products, however many documents the batch holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from docre.errors import DocreError

GPUS = ("cuda",)  # kinds of devices to which page-locked memory is copied without waiting


@dataclass(frozen=True)
class Batch:
    """A batch of documents as index tensors, int64 unless another type is given.

    A document longer than the encoder's limit is read through several overlapping windows, any other through one.
    "Window tokens" are the tokens of all windows, concatenated without padding; "document tokens" are those of all
    documents. A "row" is one row of the attention matrix: what the start marker of a mention attends to in one window.

    input_ids:       [window tokens] token ids, including the [CLS] and [SEP] added to each window.
    position_ids:    [window tokens] position of each token in its window, from 0.
    window_lengths:  number of tokens in each window (Python integers, like the other `*_lengths` and `*_counts`).
    merge_source:    [merged] window tokens that are copies of document tokens ...
    merge_target:    [merged] ... and the document token of each; a document token is the mean of its copies, and zero
                     if no window covers it.
    document_lengths: number of tokens in each document, [CLS] and [SEP] included.
    row_token:       [rows] the window token whose attention the row holds: a start marker. Ordered by window; a marker
                     that two windows cover has a row in each.
    row_mention:     [rows] the mention of each row.
    row_start:       [rows] the position in the document of the window's first document token (column `row_skip`).
    row_skip:        [rows] leading columns that are no document tokens (a [CLS] added to the window).
    row_length:      [rows] columns that are document tokens, from column `row_skip` on.
    row_counts:      number of rows in each window.
    mention_token:   [mentions] the document token that represents each mention: its start marker. Mentions beyond the
                     length limit are left out.
    mention_entity:  [mentions] the entity of each mention.
    mention_split:   [mentions] bool, True where the mention's document is read through several windows.
    entity_counts:   number of entities in each document.
    context_first:   [contexts] the smaller entity of each unordered entity pair, whose localized context the pairs
                     head -> tail and tail -> head share ...
    context_second:  [contexts] ... and the larger one.
    context_counts:  number of contexts in each document.
    pair_head:       [pairs] the head entity of each candidate pair ...
    pair_tail:       [pairs] ... its tail entity ...
    pair_context:    [pairs] ... and its context.
    pair_counts:     number of pairs in each document.
    labels:          [pairs, relations] bool, True where the relation holds; an NA pair is an all-False row. None if
                     any document is unlabeled.
    token_sentence:  [document tokens] the sentence of each token, numbered within its document; -1 for [CLS] and [SEP].
    sentence_counts: number of sentences in each document.
    evidence:        [entries, 2] (pair, sentence) for each evidence sentence of each label; a sentence that two labels
                     of a pair list is there twice.
    targets:         what a teacher left for these documents, by name: "logits" [pairs, outputs], "attention" [contexts,
                     longest document]; any other has a row for each pair. Empty without a teacher.
    titles:          the documents' titles, for messages and predictions.
    encoded:         the encoder's output for these windows if it has been computed already (`Encoder.encode_windows`):
                     hidden states [window tokens, hidden] and attention [rows, heads, longest window]. None otherwise.
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
    token_sentence: Tensor
    sentence_counts: tuple[int, ...]
    evidence: Tensor
    titles: tuple[str, ...]
    targets: Mapping[str, Tensor] = field(default_factory=dict)
    encoded: tuple[Tensor, Tensor] | None = None

    def _map(self, method: str, *arguments: object, **keywords: object) -> "Batch":
        """A copy in which every tensor, those of `targets` included, is the result of calling its `method`."""

        def mapped(values: Mapping[str, Any]) -> dict[str, Any]:
            return {k: getattr(v, method)(*arguments, **keywords) for k, v in values.items() if isinstance(v, Tensor)}

        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **mapped(own), targets=mapped(self.targets))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """A copy with the tensors on `device`."""
        return self._map("to", device, non_blocking=non_blocking)

    def pin_memory(self) -> "Batch":
        """A copy in page-locked memory; the DataLoader calls this method."""
        return self._map("pin_memory")


@dataclass(frozen=True)
class ModelOutput:
    """What a model computes for the pairs of a batch.

    logits: [pairs, outputs]; the loss declares the number of outputs.
    head:   [pairs, groups, block] the head side of the grouped bilinear classifier, and
    tail:   [pairs, groups, block] its tail side. A pair's representation is their outer product in each group,
            [pairs, groups * block * block], which is never held in memory. None for a model without such a classifier.
    attention:   [contexts, longest document] how much each context attends to each token of its document, zero beyond
                 the document. None unless it was wanted, and from a model whose pairs attend to nothing.
    auxiliaries: further tensors by name, those that were wanted. Their first dimension is the pairs, unless the model
                 says otherwise.
    """

    logits: Tensor
    head: Tensor | None = None
    tail: Tensor | None = None
    attention: Tensor | None = None
    auxiliaries: Mapping[str, Tensor] = field(default_factory=dict)

    def at_least_float32(self) -> "ModelOutput":
        """A copy with half-precision tensors converted to float32; all others stay as they are."""

        def widen(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: widen(tensor) for name, tensor in value.items()}
            if value is None or not value.is_floating_point():
                return value
            return value.to(torch.promote_types(value.dtype, torch.float32))

        return ModelOutput(**{f.name: widen(getattr(self, f.name)) for f in fields(self)})


def occurrences(index: Tensor, size: int) -> Tensor:
    """How often each number of range(size) is in `index`: [entries] -> [size], int64. (torch.bincount looks for the
    largest number first, for which the host waits if it is on a GPU.)"""
    return index.new_zeros(size).index_add(0, index, torch.ones_like(index))


def integers_on(device: torch.device, values: Any) -> Tensor:
    """torch.tensor(values, device=device) of nested sequences of integers, or of an array, for which the host need not
    wait."""
    return moved(torch.tensor(values), device)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor in the host's memory on a device. To a GPU it is copied from page-locked memory, for which the host need
    not wait."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type in GPUS else tensor.to(device)


def even_slices(length: int, size: int) -> list[slice]:
    """The fewest slices of at most `size` that cover range(length), equal in length to within 1; at least one slice."""
    count = max(1, -(-length // size))
    ends = [length * i // count for i in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def check_scalar(value: Any, what: str) -> None:
    """Raises DocreError, which says `what` returned the value, unless it is a tensor of one floating-point number."""
    if not isinstance(value, Tensor) or value.dim() or not value.is_floating_point():
        got = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise DocreError(f"{what} returned {got}, expected a scalar tensor")
