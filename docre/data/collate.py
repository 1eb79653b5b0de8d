"""Collates features into a Batch: splits long documents into windows and builds all index tensors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from docre.data.features import Features
from docre.tensors import Batch


class Window(NamedTuple):
    """A span of a document's tokens that the encoder reads at once.

    start:  position of its first token in the document.
    length: number of document tokens in it.
    skip:   number of special tokens added before them (a [CLS], unless the span begins with the document's own).
    """

    start: int
    length: int
    skip: int


@dataclass(frozen=True)
class WindowPlan:
    """How documents longer than the encoder's limit are split into windows.

    limit:  maximum number of tokens that the encoder takes at once.
    before: special tokens added before a window that does not begin the document ([CLS]).
    after:  special tokens added after a window that does not end the document ([SEP]; ATLOP's code adds two for
            RoBERTa).
    overlap: number of tokens that neighboring windows of a document of more than two windows share at least.
    """

    limit: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    overlap: int = 0

    def windows(self, length: int) -> list[Window]:
        """The windows of a document of `length` tokens, [CLS] and [SEP] included.

        length <= limit: one window.
        length <= 2 * limit: two windows, exactly as published (Zhou et al. 2021), which cover the first and the last
        `limit` tokens minus the added special tokens.
        Longer documents (by the overlap less): as few windows as cover all tokens, evenly spaced.
        """
        if length <= self.limit:
            return [Window(0, length, 0)]
        skip = len(self.before)
        last = length - self.limit + skip
        inner = self.limit - skip - len(self.after)
        stride = max(1, inner - self.overlap)
        steps = 1 if length <= 2 * self.limit - self.overlap else -(-last // stride)
        starts = [step * last // steps for step in range(1, steps)]
        return [
            Window(0, self.limit - len(self.after), 0),
            *(Window(start, inner, skip) for start in starts),
            Window(last, length - last, skip),
        ]


class Collator:
    """Collates the features of documents into a Batch (the collate_fn of a DataLoader).

    plan:          splits documents into windows.
    num_relations: number of label columns.
    """

    def __init__(self, plan: WindowPlan, num_relations: int) -> None:
        self.plan = plan
        self.num_relations = num_relations

    def __call__(self, documents: Sequence[Features]) -> Batch:
        token_offset = offsets(len(d.input_ids) for d in documents)
        entity_offset = offsets(d.num_entities for d in documents)
        context_offset = offsets(len(d.contexts) for d in documents)
        mention_offset = offsets(len(d.mentions) for d in documents)
        pair_offset = offsets(len(d.pairs) for d in documents)
        ids, positions, lengths, row_counts = [], [], [], []
        source, target, rows, split = [], [], [], []
        window_offset = 0  # window tokens so far
        for d, document in enumerate(documents):
            windows = self.plan.windows(len(document.input_ids))
            marker = document.mentions[:, 0]
            split.append(np.full(len(marker), len(windows) > 1))
            for w, (start, length, skip) in enumerate(windows):
                after = self.plan.after if w < len(windows) - 1 else ()
                span = document.input_ids[start : start + length]
                tokens = np.concatenate([self.plan.before[:skip], span, after]).astype(np.int64)
                ids.append(tokens)
                positions.append(np.arange(len(tokens)))
                lengths.append(len(tokens))
                source.append(window_offset + skip + np.arange(length))
                target.append(token_offset[d] + start + np.arange(length))
                (inside,) = np.nonzero((marker >= start) & (marker < start + length))
                row_counts.append(len(inside))
                row = np.empty((len(inside), 5), dtype=np.int64)
                row[:, 0] = window_offset + skip + marker[inside] - start
                row[:, 1] = mention_offset[d] + inside
                row[:, 2:] = start, skip, length
                rows.append(row)
                window_offset += len(tokens)
        table = concatenate(rows, 5)
        contexts = concatenate([d.contexts + entity_offset[i] for i, d in enumerate(documents)], 2)
        pairs = concatenate([d.pairs + entity_offset[i] for i, d in enumerate(documents)], 2)
        return Batch(
            input_ids=concatenate(ids),
            position_ids=concatenate(positions),
            window_lengths=tuple(lengths),
            merge_source=concatenate(source),
            merge_target=concatenate(target),
            document_lengths=tuple(len(d.input_ids) for d in documents),
            row_token=table[:, 0].contiguous(),
            row_mention=table[:, 1].contiguous(),
            row_start=table[:, 2].contiguous(),
            row_skip=table[:, 3].contiguous(),
            row_length=table[:, 4].contiguous(),
            row_counts=tuple(row_counts),
            mention_token=concatenate([d.mentions[:, 0] + token_offset[i] for i, d in enumerate(documents)]),
            mention_entity=concatenate([d.mention_entity + entity_offset[i] for i, d in enumerate(documents)]),
            mention_split=torch.from_numpy(np.concatenate(split)),
            entity_counts=tuple(d.num_entities for d in documents),
            context_first=contexts[:, 0].contiguous(),
            context_second=contexts[:, 1].contiguous(),
            context_counts=tuple(len(d.contexts) for d in documents),
            pair_head=pairs[:, 0].contiguous(),
            pair_tail=pairs[:, 1].contiguous(),
            pair_context=concatenate([d.pair_context + context_offset[i] for i, d in enumerate(documents)]),
            pair_counts=tuple(len(d.pairs) for d in documents),
            labels=self._labels(documents),
            token_sentence=concatenate([d.token_sentence for d in documents]),
            sentence_counts=tuple(d.num_sentences for d in documents),
            evidence=concatenate([d.evidence + np.array([pair_offset[i], 0]) for i, d in enumerate(documents)], 2),
            targets=collate_targets(documents),
            titles=tuple(d.title for d in documents),
        )

    def _labels(self, documents: Sequence[Features]) -> Tensor | None:
        """Labels [pairs, relations] bool; None if any document is unlabeled."""
        pair_offset = offsets(len(d.pairs) for d in documents)
        labels = torch.zeros(pair_offset[-1], self.num_relations, dtype=torch.bool)
        for i, document in enumerate(documents):
            if document.labels is None:
                return None
            positive = torch.from_numpy(document.labels)
            labels[pair_offset[i] + positive[:, 0], positive[:, 1]] = True
        return labels


def collate_targets(documents: Sequence[Features]) -> dict[str, Tensor]:
    """The targets that all of these documents have, rows one after another, padded with zeros to the widest."""
    names = set.intersection(*(set(d.targets) for d in documents)) if documents else set()
    collated = {}
    for name in sorted(names):
        parts = [torch.from_numpy(d.targets[name]) for d in documents]
        width = max(part.shape[1] for part in parts)
        collated[name] = torch.cat([pad(part, (0, width - part.shape[1])) for part in parts])
    return collated


def offsets(counts: Iterable[int]) -> list[int]:
    """[0, n_0, n_0 + n_1, ...]: the start of each part when parts of these sizes are concatenated, and the total."""
    return list(accumulate(counts, initial=0))


def concatenate(parts: "Sequence[np.ndarray]", width: int | None = None) -> Tensor:
    """Arrays concatenated into one int64 tensor, with `width` columns if given (even if all are empty)."""
    whole = np.concatenate(parts).astype(np.int64, copy=False)
    return torch.from_numpy(whole if width is None else whole.reshape(-1, width))
