"""The table that all analysis reads: what a model says of every candidate pair, as numpy arrays."""

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
    """Every candidate pair of some labeled documents, with its labels and what a model says of it.

    Margins are scores less the threshold that each relation is compared with, whatever the loss; they are what makes
    one analysis serve all losses.

    titles:    the documents, in order.
    relations: the R relations, in the order of the columns.
    document, head, tail: [pairs] the document of each pair (index into `titles`) and its entities.
    labels:    [pairs, R] True where the relation holds.
    predicted: [pairs, R] True where the model predicts it (top_k included).
    scores:    [pairs, R] s_r, the logits of the relations.
    margins:   [pairs, R] d_r = s_r - threshold; positive where the relation is predicted, before top_k.
    left_out:  labels that are of no candidate pair (head == tail, say): gold, but never found.
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

    @property
    def gold(self) -> int:
        """All distinct gold triples."""
        return int(self.labels.sum()) + self.left_out

    @property
    def related(self) -> Bools:
        """[pairs] True where some relation holds; the others are the NA pairs."""
        return np.asarray(self.labels.any(axis=1))

    def check_same_pairs(self, other: "MarginTable") -> None:
        """Raises DocreError unless both tables are of the same pairs, relations and labels."""
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
            )

    def shifted(self, shift: Floats | Sequence[float] | float, top_k: int = -1) -> "MarginTable":
        """The table after a calibration: `shift` ([R], or one for all) added to the margins. Of each pair at most
        `top_k` relations are predicted, those with the highest scores (no limit where top_k < 1)."""
        margins = self.margins + np.asarray(shift, dtype=self.margins.dtype)
        chosen = margins > 0
        return replace(self, margins=margins, predicted=keep_best(chosen, self.scores, top_k))


def keep_best(chosen: Bools, scores: Floats, top_k: int) -> Bools:
    """Of each pair's `chosen` relations at most `top_k`, those with the highest scores: [pairs, R] -> bool [pairs, R].
    No limit where top_k < 1."""
    if not 0 < top_k < chosen.shape[1]:
        return chosen
    masked = np.where(chosen, scores, -np.inf)
    best = np.argpartition(-masked, top_k - 1, axis=1)[:, :top_k]
    kept = np.zeros_like(chosen)
    np.put_along_axis(kept, best, True, axis=1)
    return kept & chosen
