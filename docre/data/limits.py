"""Batches that fit into memory: a batch that is too large is taken in parts, a document that is alone, in pieces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isqrt

import numpy as np

from docre.data.features import Features, Ints, unordered_pairs
from docre.tensors import even_slices


@dataclass(frozen=True)
class Limits:
    """How much the model may be given at once; None for no limit.

    pairs:  entity pairs. A document with more is cut into pieces with all of its text and some of its pairs, which for
            a model that looks at each pair by itself gives the same logits.
    tokens: tokens. A document with more goes alone.
    whole:  documents are never cut, for a model in which the pairs of a document look at each other.
    """

    pairs: int | None = None
    tokens: int | None = None
    keep_whole: bool = False

    def split_batch(self, documents: Sequence[Features]) -> list[list[Features]]:
        """The documents of a batch as batches within the limits, in order; one batch where it is within them."""
        parts: list[list[Features]] = []
        pairs = tokens = 0
        for piece in (piece for document in documents for piece in self.split_document(document)):
            pairs += len(piece.pairs)
            tokens += len(piece.input_ids)
            if not parts or exceeds(pairs, self.pairs) or exceeds(tokens, self.tokens):
                parts.append([])
                pairs, tokens = len(piece.pairs), len(piece.input_ids)
            parts[-1].append(piece)
        return parts

    def split_document(self, document: Features) -> list[Features]:
        """The document, or pieces of about the same number of pairs, in order."""
        if not self.must_split(document):
            return [document]
        assert self.pairs is not None
        count = len(document.pairs)
        number = -(-count // self.pairs)
        edges = [i * count // number for i in range(number + 1)]
        return [select_pairs(document, start, stop) for start, stop in pairwise(edges)]

    def must_split(self, document: Features) -> bool:
        """Whether the document has too many pairs to be taken as it is."""
        return not self.keep_whole and exceeds(len(document.pairs), self.pairs)

    def tile_pairs(self, document: Features) -> Iterator[Ints]:
        """The numbers of the document's pairs in tiles within the limit, every pair in one. The pairs of a tile are
        between two small groups of entities, in both directions: few entities and few contexts, each in one tile."""
        most = len(document.pairs) if self.pairs is None else self.pairs
        group = document.pairs // max(1, isqrt(most // 2))
        corner = group.min(axis=1) * (group.max(initial=0) + 1) + group.max(axis=1)
        order = np.argsort(corner, kind="stable")
        for tile in np.split(order, np.nonzero(np.diff(corner[order]))[0] + 1):
            yield from (tile[some] for some in even_slices(len(tile), most))


def exceeds(number: int, limit: int | None) -> bool:
    """Whether there is a limit and it is passed."""
    return limit is not None and number > limit


def select_pairs(document: Features, start: int, stop: int) -> Features:
    """The document with the pairs [start, stop) alone."""
    used, pair_context = np.unique(document.pair_context[start:stop], return_inverse=True)
    labels = document.labels
    if labels is not None:
        labels = labels[(labels[:, 0] >= start) & (labels[:, 0] < stop)] - np.array([start, 0])
    return replace(
        document,
        pairs=document.pairs[start:stop],
        contexts=document.contexts[used],
        pair_context=pair_context.reshape(-1),
        labels=labels,
    )


def restrict_to_pairs(document: Features, chosen: Ints) -> tuple[Features, Ints]:
    """The document with the `chosen` pairs and their entities alone, numbered anew, without labels; and the numbers of
    the mentions that are left."""
    entities, pairs = np.unique(document.pairs[chosen], return_inverse=True)
    pairs = pairs.reshape(-1, 2)
    contexts, pair_context = unordered_pairs(pairs)
    (mentions,) = np.nonzero(np.isin(document.mention_entity, entities))
    some = replace(
        document,
        mentions=document.mentions[mentions],
        mention_entity=np.searchsorted(entities, document.mention_entity[mentions]),
        num_entities=len(entities),
        pairs=pairs,
        contexts=contexts,
        pair_context=pair_context,
        labels=None,
    )
    return some, mentions
