"""Scores of predicted triples, equal to the official DocRED scorer's where that has them.

With G distinct gold triples, P distinct predictions, C of them correct and T of these training facts:

    precision = C / P    recall = C / G    F1 = 2 C / (P + G)
    Ign-precision = (C - T) / (P - T + 1e-5)    Ign-F1 = the harmonic mean of Ign-precision and recall

(Yao et al. 2019, "DocRED", and its evaluation.py.) The recall of Ign-F1 is that of F1, and the 1e-5 is the official
scorer's. A predicted fact is a training fact if any mention name of its head has the relation to any mention name of
its tail in the training set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLICES = ("all", "intra", "inter", "frequent", "long_tail", "evidence")


@dataclass(frozen=True)
class PRF:
    """Precision, recall and F1, as fractions, with the counts they come from.

    p is None where nothing is predicted; r and f1 are None where there is nothing to find.
    """

    gold: int
    predicted: int
    correct: int

    @property
    def p(self) -> float | None:
        return self.correct / self.predicted if self.predicted else None

    @property
    def r(self) -> float | None:
        return self.correct / self.gold if self.gold else None

    @property
    def f1(self) -> float | None:
        return 2 * self.correct / (self.gold + self.predicted) if self.gold else None

    def to_json(self) -> dict[str, Any]:
        counts = {"gold": self.gold, "predicted": self.predicted, "correct": self.correct}
        return {"p": self.p, "r": self.r, "f1": self.f1, **counts}


@dataclass(frozen=True)
class Scores:
    """The scores of one submission, as fractions.

    p, r, f1:     micro precision, recall and F1; p is 0 where nothing is predicted (a note says so).
    ign_p, ign_f1: precision and F1 without the training facts; None without a training set.
    macro_f1:     the mean F1 of the relations that occur in the gold data.
    all:          p, r and f1 with their counts.
    correct_in_train: how many correct predictions are training facts; None without a training set.
    intra, inter: pairs whose entities are, or are not, mentioned in one sentence. Predictions about documents or
                  entities that do not exist are in neither.
    frequent, long_tail: the ten most frequent relations, and the others.
    frequent_relations: these ten, of the training set, or of the gold data where there is none.
    evidence:     evidence sentences of all predictions, found among those of all gold triples; None where none is
                  predicted or labeled.
    per_relation: each relation of the gold data or the predictions, the most frequent in the gold data first.
    notes:        what was odd in the gold data and the submission, counted.
    counts:       [D + 1, len(SLICES), 4] per labeled document and slice: gold, predicted, correct, correct training
                  facts. The last row is for predictions of unknown titles. All scores but the macro F1 come from its
                  sum over documents (see docre.evaluation.bootstrap).
    """

    p: float
    r: float
    f1: float
    ign_p: float | None
    ign_f1: float | None
    macro_f1: float
    all: PRF
    correct_in_train: int | None
    intra: PRF
    inter: PRF
    frequent: PRF
    long_tail: PRF
    frequent_relations: tuple[str, ...]
    evidence: PRF | None
    per_relation: Mapping[str, PRF]
    notes: tuple[str, ...]
    counts: NDArray[np.float64] = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """All of it but `counts`, for a JSON file."""
        slices = {name: getattr(self, name).to_json() for name in ("intra", "inter", "frequent", "long_tail")}
        return {
            "p": self.p,
            "r": self.r,
            "f1": self.f1,
            "ign_f1": self.ign_f1,
            "ign_p": self.ign_p,
            "macro_f1": self.macro_f1,
            "gold": self.all.gold,
            "predicted": self.all.predicted,
            "correct": self.all.correct,
            "correct_in_train": self.correct_in_train,
            **slices,
            "frequent_relations": list(self.frequent_relations),
            "evidence": None if self.evidence is None else self.evidence.to_json(),
            "per_relation": {relation: prf.to_json() for relation, prf in self.per_relation.items()},
            "notes": list(self.notes),
        }


def measures(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """p, r, f1, ign_p and ign_f1 (each [...]) from `counts` [..., 4]: gold, predicted, correct, correct training facts.

    NaN where a score is undefined: all of them without gold, p without predictions too.
    """
    gold, predicted, correct, in_train = np.moveaxis(counts, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = correct / gold
        ign_p = (correct - in_train) / (predicted - in_train + 1e-5)
        return {
            "p": np.where(gold > 0, correct / predicted, np.nan),
            "r": r,
            "f1": np.where(gold > 0, 2 * correct / (gold + predicted), np.nan),
            "ign_p": ign_p,
            "ign_f1": np.where(ign_p + r == 0, 0.0, 2 * ign_p * r / (ign_p + r)),
        }
