"""Features to a Batch: windows over long documents and all index tensors, built once here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from docre.data.features import Features
from docre.tensors import Batch


class Window(NamedTuple):
    """One stretch of a document, as the encoder reads it.

    start:  where in the document it begins.
    length: document tokens in it.
    skip:   tokens that are put before them (a [CLS] of its own); as many as needed are put behind.
    """

    start: int
    length: int
    skip: int


@dataclass(frozen=True)
class WindowPlan:
    """How documents longer than the encoder's limit are read.

    limit:  tokens that the encoder takes at once.
    before: special tokens put before a window that does not begin the document ([CLS]).
    after:  special tokens put behind a window that does not end it ([SEP]; RoBERTa's published code puts two).
    """

    limit: int
    before: tuple[int, ...]
    after: tuple[int, ...]

    def windows(self, length: int) -> list[Window]:
        """The windows over a document of `length` tokens.

        One for length <= limit. Two for length <= 2 limit, exactly as published (Zhou et al. 2021): the first and the
        last `limit` tokens, less the special tokens. Beyond, as few as cover all tokens, evenly spaced.
        """
        if length <= self.limit:
            return [Window(0, length, 0)]
        skip = len(self.before)
        last = length - self.limit + skip
        inner = self.limit - skip - len(self.after)
        steps = 1 if length <= 2 * self.limit else -(-last // inner)
        starts = [step * last // steps for step in range(1, steps)]
        return [
            Window(0, self.limit - len(self.after), 0),
            *(Window(start, inner, skip) for start in starts),
            Window(last, length - last, skip),
        ]


class Collator:
    """Makes a Batch of some documents' features (a DataLoader's collate_fn).

    plan:          how long documents are split.
    num_relations: label columns.
    """

    def __init__(self, plan: WindowPlan, num_relations: int) -> None:
        self.plan = plan
        self.num_relations = num_relations

    def __call__(self, documents: Sequence[Features]) -> Batch:
        token_offset = offsets(len(d.input_ids) for d in documents)
        entity_offset = offsets(d.num_entities for d in documents)
        context_offset = offsets(len(d.contexts) for d in documents)
        mention_offset = offsets(len(d.mentions) for d in documents)
        ids, positions, lengths, row_counts = [], [], [], []
        source, target, rows, split = [], [], [], []
        done = 0  # window tokens so far
        for d, document in enumerate(documents):
            windows = self.plan.windows(len(document.input_ids))
            marker = document.mentions[:, 0]
            split.append(np.full(len(marker), len(windows) > 1))
            for w, (start, length, skip) in enumerate(windows):
                after = self.plan.after if w < len(windows) - 1 else ()
                stretch = document.input_ids[start : start + length]
                tokens = np.concatenate([self.plan.before[:skip], stretch, after]).astype(np.int64)
                ids.append(tokens)
                positions.append(np.arange(len(tokens)))
                lengths.append(len(tokens))
                source.append(done + skip + np.arange(length))
                target.append(token_offset[d] + start + np.arange(length))
                (inside,) = np.nonzero((marker >= start) & (marker < start + length))
                row_counts.append(len(inside))
                row = np.empty((len(inside), 5), dtype=np.int64)
                row[:, 0] = done + skip + marker[inside] - start
                row[:, 1] = mention_offset[d] + inside
                row[:, 2:] = start, skip, length
                rows.append(row)
                done += len(tokens)
        table = join(rows, 5)
        contexts = join([d.contexts + entity_offset[i] for i, d in enumerate(documents)], 2)
        pairs = join([d.pairs + entity_offset[i] for i, d in enumerate(documents)], 2)
        return Batch(
            input_ids=join(ids),
            position_ids=join(positions),
            window_lengths=tuple(lengths),
            merge_source=join(source),
            merge_target=join(target),
            document_lengths=tuple(len(d.input_ids) for d in documents),
            row_token=table[:, 0].contiguous(),
            row_mention=table[:, 1].contiguous(),
            row_start=table[:, 2].contiguous(),
            row_skip=table[:, 3].contiguous(),
            row_length=table[:, 4].contiguous(),
            row_counts=tuple(row_counts),
            mention_token=join([d.mentions[:, 0] + token_offset[i] for i, d in enumerate(documents)]),
            mention_entity=join([d.mention_entity + entity_offset[i] for i, d in enumerate(documents)]),
            mention_split=torch.from_numpy(np.concatenate(split)),
            entity_counts=tuple(d.num_entities for d in documents),
            context_first=contexts[:, 0].contiguous(),
            context_second=contexts[:, 1].contiguous(),
            context_counts=tuple(len(d.contexts) for d in documents),
            pair_head=pairs[:, 0].contiguous(),
            pair_tail=pairs[:, 1].contiguous(),
            pair_context=join([d.pair_context + context_offset[i] for i, d in enumerate(documents)]),
            pair_counts=tuple(len(d.pairs) for d in documents),
            labels=self._labels(documents),
            titles=tuple(d.title for d in documents),
        )

    def _labels(self, documents: Sequence[Features]) -> Tensor | None:
        """[pairs, relations] bool; None where any document is unlabeled."""
        pair_offset = offsets(len(d.pairs) for d in documents)
        labels = torch.zeros(pair_offset[-1], self.num_relations, dtype=torch.bool)
        for i, document in enumerate(documents):
            if document.labels is None:
                return None
            positive = torch.from_numpy(document.labels)
            labels[pair_offset[i] + positive[:, 0], positive[:, 1]] = True
        return labels


def offsets(counts: Iterable[int]) -> list[int]:
    """[0, n_0, n_0 + n_1, ...]: where each part begins when parts of these sizes lie end to end."""
    return list(accumulate(counts, initial=0))


def join(parts: "Sequence[np.ndarray]", width: int | None = None) -> Tensor:
    """Arrays laid end to end as one int64 tensor (of `width` columns, even where all are empty)."""
    whole = np.concatenate(parts).astype(np.int64, copy=False)
    return torch.from_numpy(whole if width is None else whole.reshape(-1, width))
