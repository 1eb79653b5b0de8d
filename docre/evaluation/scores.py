"""The scores of predicted triples. Those that the official DocRED scorer computes too are equal to its values.

With G distinct gold triples and P distinct predictions, of which C are correct, and T of the C are training facts:

    precision = C / P    recall = C / G    F1 = 2 C / (P + G)
    Ign-precision = (C - T) / (P - T + 1e-5)    Ign-F1 = the harmonic mean of Ign-precision and recall

(Yao et al. 2019, "DocRED", and its evaluation.py.) Ign-F1 uses the recall of F1; the 1e-5 is the official scorer's. A
correct prediction is a training fact if the training set states its relation between any mention name of its head and
any mention name of its tail.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLICES = ("all", "intra", "inter", "frequent", "long_tail", "evidence")


@dataclass(frozen=True)
class PRF:
    """Precision, recall and F1 as fractions, with the counts that they are computed from.

    p is None if nothing is predicted; r and f1 are None if there is no gold triple.
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

    p, r, f1:     micro precision, recall and F1; p is 0 if nothing is predicted (a note says so).
    ign_p, ign_f1: precision and F1 without the training facts; None without a training set.
    macro_f1:     the mean F1 of the relations that occur in the gold data.
    all:          p, r and f1 with their counts.
    correct_in_train: the number of correct predictions that are training facts; None without a training set.
    intra, inter: the scores of intra-sentence pairs (some sentence mentions both entities) and of inter-sentence pairs.
                  Predictions about documents or entities that do not exist are in neither.
    frequent, long_tail: the scores of the ten most frequent relations, and of all others.
    frequent_relations: those ten, counted in the training set, or in the gold data if there is no training set.
    evidence:     predicted evidence sentences against those of all gold triples; None if none is predicted or labeled.
    per_relation: the scores of each relation of the gold data or the predictions, the most frequent in the gold data
                  first.
    notes:        what is odd about the gold data and the submission, as sentences with counts.
    counts:       [D + 1, len(SLICES), 4] for each of the D labeled documents and each slice the numbers of gold
                  triples, predictions, correct predictions and correct training facts. The last row has the predictions
                  for unknown titles. All scores but the macro F1 follow from the sum over documents, which is what
                  docre.evaluation.bootstrap samples.
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
        """Everything but `counts`, as it is written to JSON files."""
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

    Undefined scores are NaN: without gold triples all but ign_p, without predictions p.
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
