"""Batches that fit into memory: a batch that is too large is taken in parts, a document that is alone, in pieces."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from docre.data.features import Features


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
    whole: bool = False

    def parts(self, documents: Sequence[Features]) -> list[list[Features]]:
        """The documents of a batch as batches within the limits, in order; one batch where it is within them."""
        parts: list[list[Features]] = []
        pairs = tokens = 0
        for piece in (piece for document in documents for piece in self.pieces(document)):
            pairs += len(piece.pairs)
            tokens += len(piece.input_ids)
            if not parts or exceeds(pairs, self.pairs) or exceeds(tokens, self.tokens):
                parts.append([])
                pairs, tokens = len(piece.pairs), len(piece.input_ids)
            parts[-1].append(piece)
        return parts

    def pieces(self, document: Features) -> list[Features]:
        """The document, or pieces of about the same number of pairs, in order."""
        count = len(document.pairs)
        if self.whole or self.pairs is None or count <= self.pairs:
            return [document]
        number = -(-count // self.pairs)
        edges = [i * count // number for i in range(number + 1)]
        return [piece(document, start, stop) for start, stop in pairwise(edges)]


def exceeds(number: int, limit: int | None) -> bool:
    """Whether there is a limit and it is passed."""
    return limit is not None and number > limit


def piece(document: Features, start: int, stop: int) -> Features:
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
