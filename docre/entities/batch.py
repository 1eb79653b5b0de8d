"""Batches of the entity model: candidate spans, and in training which of them are mentions of which entity."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from docre.data.collate import Collator, WindowPlan, offsets
from docre.data.features import Ints
from docre.entities.features import EntityFeatures
from docre.entities.names import FEATURES, Names
from docre.entities.shapes import shapes
from docre.tensors import Batch


@dataclass(frozen=True, kw_only=True)
class EntityBatch(Batch):
    """A Batch without mentions and pairs, and:

    word_first, word_last: [words] the first and the last token of each word.
    word_shapes: [words, SHAPE_SIZE] how each word and its neighbors are written.
    word_counts: number of words of each document.
    span_start:  [spans] the first word of each candidate span, and
    span_length: [spans] its number of words. A span lies in one sentence.
    gold_type:   [spans] the type of the mention that a span is, from 1; 0 if it is none.
    gold_weight: [spans] 1 / the number of gold mentions of the document (at least 1).
    pair_spans:  [gold pairs, 2] the candidate spans of each pair of gold mentions of a document.
    pair_same:   [gold pairs] bool, whether both are of one entity.
    pair_weight: [gold pairs] 1 / the number of such pairs of the document.
    pair_names:  [gold pairs, FEATURES] see Names.compare.
    """

    word_first: Tensor
    word_last: Tensor
    word_shapes: Tensor
    word_counts: tuple[int, ...]
    span_start: Tensor
    span_length: Tensor
    gold_type: Tensor
    gold_weight: Tensor
    pair_spans: Tensor
    pair_same: Tensor
    pair_weight: Tensor
    pair_names: Tensor


class EntityCollator:
    """Collates EntityFeatures into an EntityBatch.

    plan:      splits documents into windows.
    max_words: of a candidate span.
    """

    def __init__(self, plan: WindowPlan, max_words: int) -> None:
        self.collate = Collator(plan, 1)
        self.max_words = max_words

    def __call__(self, documents: Sequence[EntityFeatures]) -> EntityBatch:
        base = self.collate(documents)
        token, word = (
            offsets(map(len, lists)) for lists in ([d.input_ids for d in documents], [d.words for d in documents])
        )
        spans = [candidates(d.words, self.max_words) for d in documents]
        span_offset = offsets(map(len, spans))
        gold = [gold_of(d, s) for d, s in zip(documents, spans, strict=True)]
        first, last, start = (
            np.concatenate(parts)
            for parts in (
                [d.words[:, 0] + token[i] for i, d in enumerate(documents)],
                [d.words[:, 1] + token[i] for i, d in enumerate(documents)],
                [s[:, 0] + word[i] for i, s in enumerate(spans)],
            )
        )
        types, weights, pairs, same, pair_weights, names = (np.concatenate(parts) for parts in zip(*gold, strict=True))
        shift = np.repeat(span_offset[:-1], [len(g[2]) for g in gold])[:, None]
        own = {f.name: getattr(base, f.name) for f in fields(Batch)}
        return EntityBatch(
            **own,
            word_first=torch.from_numpy(first),
            word_last=torch.from_numpy(last),
            word_shapes=torch.from_numpy(np.concatenate([shapes(d.kinds, d.words[:, 2]) for d in documents])),
            word_counts=tuple(len(d.words) for d in documents),
            span_start=torch.from_numpy(start),
            span_length=torch.from_numpy(np.concatenate([s[:, 1] for s in spans])),
            gold_type=torch.from_numpy(types),
            gold_weight=torch.from_numpy(weights),
            pair_spans=torch.from_numpy(pairs + shift),
            pair_same=torch.from_numpy(same),
            pair_weight=torch.from_numpy(pair_weights),
            pair_names=torch.from_numpy(names),
        )


def candidates(words: Ints, max_words: int) -> Ints:
    """All spans of up to `max_words` words that lie in one sentence, [spans, 2]: first word and number of words,
    sorted.

    words: as in EntityFeatures.
    """
    left = words[:, 2] - np.arange(len(words))  # words to the end of the sentence
    counts = np.minimum(left, max_words)
    start = np.repeat(np.arange(len(words)), counts)
    before = np.cumsum(counts) - counts
    length = np.arange(len(start)) - np.repeat(before, counts) + 1
    return np.stack([start, length], axis=1)


def gold_of(document: EntityFeatures, spans: Ints) -> tuple[Any, ...]:
    """What an EntityBatch has of one document: gold_type, gold_weight, pair_spans, pair_same, pair_weight, pair_names.

    spans: its candidates.
    """
    first_span = np.searchsorted(spans[:, 0], document.spans[:, 0])
    place = first_span + document.spans[:, 1] - 1
    types = np.zeros(len(spans), dtype=np.int64)
    types[place] = document.spans[:, 2]
    weights = np.full(len(spans), 1 / max(1, len(place)), dtype=np.float32)
    one, other = np.triu_indices(len(place), 1)
    entity = document.spans[:, 3]
    texts = [document.texts[start : start + length] for start, length in document.spans[:, :2].tolist()]
    compared = Names(texts, document.spans[:, 0].tolist()).compare(slice(None))
    pair_weights = np.full(len(one), 1 / max(1, len(one)), dtype=np.float32)
    pairs = np.stack([place[one], place[other]], axis=1)
    return types, weights, pairs, entity[one] == entity[other], pair_weights, compared[one, other].reshape(-1, FEATURES)
