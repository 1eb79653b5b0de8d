"""Keeps batches within memory: splits a batch that is too large into parts, and a document that is into pieces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isqrt

import numpy as np

from docre.data.features import Features, Ints, unordered_pairs
from docre.tensors import even_slices


@dataclass(frozen=True)
class Limits:
    """Limits on what the model computes at once; None for no limit.

    pairs:      maximum number of entity pairs. A document with more is split into pieces that have all of its text and
                some of its pairs each; if the model computes each pair independently, the logits are the same.
    tokens:     maximum number of tokens. A document with more is computed alone.
    keep_whole: never split a document, for models in which the pairs of a document interact.
    """

    pairs: int | None = None
    tokens: int | None = None
    keep_whole: bool = False

    def split_batch(self, documents: Sequence[Features]) -> list[list[Features]]:
        """Split the documents of a batch into batches within the limits, in order; one batch if it is within them."""
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
        """Split a document into pieces, in order, with nearly equal numbers of pairs; one piece if it fits."""
        if not self.must_split(document):
            return [document]
        assert self.pairs is not None
        count = len(document.pairs)
        number = -(-count // self.pairs)
        edges = [i * count // number for i in range(number + 1)]
        return [select_pairs(document, start, stop) for start, stop in pairwise(edges)]

    def must_split(self, document: Features) -> bool:
        """Whether the document has more pairs than the limit allows, and may be split."""
        return not self.keep_whole and exceeds(len(document.pairs), self.pairs)

    def tile_pairs(self, document: Features) -> Iterator[Ints]:
        """Partition a document's pairs into tiles within the limit, each an array of positions in `document.pairs`.

        A tile holds the pairs between two groups of consecutive entities, in both directions. So it involves few
        entities and few contexts, and the two directions of a pair share its context in one tile.
        """
        limit = len(document.pairs) if self.pairs is None else self.pairs
        group = document.pairs // max(1, isqrt(limit // 2))
        tile_code = group.min(axis=1) * (group.max(initial=0) + 1) + group.max(axis=1)
        order = np.argsort(tile_code, kind="stable")
        for tile in np.split(order, np.nonzero(np.diff(tile_code[order]))[0] + 1):
            yield from (tile[part] for part in even_slices(len(tile), limit))


def exceeds(number: int, limit: int | None) -> bool:
    """Whether there is a limit and `number` is above it."""
    return limit is not None and number > limit


def select_pairs(document: Features, start: int, stop: int) -> Features:
    """A copy of the document with only the pairs [start, stop), their contexts and labels, but all its entities."""
    used, pair_context = np.unique(document.pair_context[start:stop], return_inverse=True)
    labels, evidence = (
        None if rows is None else rows[(rows[:, 0] >= start) & (rows[:, 0] < stop)] - np.array([start, 0])
        for rows in (document.labels, document.evidence)
    )
    assert evidence is not None
    targets = {name: rows[used] if name == "attention" else rows[start:stop] for name, rows in document.targets.items()}
    return replace(
        document,
        pairs=document.pairs[start:stop],
        contexts=document.contexts[used],
        pair_context=pair_context.reshape(-1),
        labels=labels,
        evidence=evidence,
        targets=targets,
    )


def restrict_to_pairs(document: Features, chosen: Ints) -> tuple[Features, Ints]:
    """A copy of the document with only the `chosen` pairs (positions in `document.pairs`) and their entities, which are
    renumbered, without labels, evidence and targets; and the positions of the mentions that it keeps."""
    entities, pairs = np.unique(document.pairs[chosen], return_inverse=True)
    pairs = pairs.reshape(-1, 2)
    contexts, pair_context = unordered_pairs(pairs)
    (mentions,) = np.nonzero(np.isin(document.mention_entity, entities))
    restricted = replace(
        document,
        mentions=document.mentions[mentions],
        mention_entity=np.searchsorted(entities, document.mention_entity[mentions]),
        num_entities=len(entities),
        pairs=pairs,
        contexts=contexts,
        pair_context=pair_context,
        labels=None,
        evidence=document.evidence[:0],
        targets={},
    )
    return restricted, mentions
