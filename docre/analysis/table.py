"""The table that every analysis starts from: labels, scores and margins of all candidate pairs, as numpy arrays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from docre.documents import Prediction
from docre.errors import DocreError

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class MarginTable:
    """Every candidate pair of labeled documents, with its labels and the scores that one model gives it.

    A margin is the score of a relation minus the threshold that its loss compares it with, so the same analysis works
    for every loss.

    titles:    the titles of the documents, in order.
    relations: the R relations, in the order of the columns.
    document, head, tail: [pairs] the document of each pair (index into `titles`), and its entities (indices into the
               entities of the document).
    labels:    [pairs, R] True where the relation holds.
    predicted: [pairs, R] True where the model predicts the relation (top_k applied).
    scores:    [pairs, R] s_r, the logits of the relations.
    margins:   [pairs, R] d_r = s_r - threshold; positive where the relation is predicted, before top_k is applied.
    left_out:  the number of gold triples whose pair is no candidate (as with head == tail), which are always missed.
    evidence:  [pairs, most sentences] True for the predicted evidence sentences of each pair; None without any.
    """

    titles: tuple[str, ...]
    relations: tuple[str, ...]
    document: Ints
    head: Ints
    tail: Ints
    labels: Bools
    predicted: Bools
    scores: Floats
    margins: Floats
    left_out: int = 0
    evidence: Bools | None = None

    @property
    def gold(self) -> int:
        """The number of distinct gold triples."""
        return int(self.labels.sum()) + self.left_out

    @property
    def related(self) -> Bools:
        """[pairs] True where at least one relation holds; the other pairs are NA pairs."""
        return np.asarray(self.labels.any(axis=1))

    def check_same_pairs(self, other: "MarginTable") -> None:
        """Raises DocreError unless both tables have the same pairs, relations and labels."""
        same = (
            self.relations == other.relations
            and self.titles == other.titles
            and all(np.array_equal(getattr(self, n), getattr(other, n)) for n in ("document", "head", "tail", "labels"))
        )
        if not same:
            raise DocreError("two checkpoints can only be compared on the same documents, with the same relations")

    def predictions(self) -> Iterator[Prediction]:
        """The predicted triples, pair by pair."""
        for pair, r in zip(*self.predicted.nonzero(), strict=True):
            yield Prediction(
                self.titles[self.document[pair]],
                int(self.head[pair]),
                int(self.tail[pair]),
                self.relations[r],
                float(self.scores[pair, r]),
                float(self.margins[pair, r]),
                self.evidence_of(pair),
            )

    def evidence_of(self, pair: int) -> tuple[int, ...]:
        """The predicted evidence sentences of a pair (a row of the table)."""
        return () if self.evidence is None else tuple(self.evidence[pair].nonzero()[0].tolist())

    def shifted(self, shift: Floats | Sequence[float] | float, top_k: int = -1) -> "MarginTable":
        """The table with `shift` ([R], or one number for all relations) added to the margins and new predictions: for
        each pair at most the `top_k` relations with the highest scores (no limit if top_k < 1)."""
        margins = self.margins + np.asarray(shift, dtype=self.margins.dtype)
        chosen = margins > 0
        return replace(self, margins=margins, predicted=keep_best(chosen, self.scores, top_k))


def keep_best(chosen: Bools, scores: Floats, top_k: int) -> Bools:
    """`chosen` with at most `top_k` relations left for each pair, those with the highest scores; all are [pairs, R].
    No limit if top_k < 1."""
    if not 0 < top_k < chosen.shape[1]:
        return chosen
    masked = np.where(chosen, scores, -np.inf)
    best = np.argpartition(-masked, top_k - 1, axis=1)[:, :top_k]
    kept = np.zeros_like(chosen)
    np.put_along_axis(kept, best, True, axis=1)
    return kept & chosen
