"""Matching a submission with the gold triples: one pass over the predictions, all else is arithmetic on arrays."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docre.documents import Prediction
from docre.evaluation.gold import INTER, INTRA, UNLABELED, GoldIndex, counted

NOWHERE = 2  # the place of a prediction whose entities do not exist
WRONG = -1  # the gold triple of a prediction that is none


@dataclass(frozen=True)
class Match:
    """The P distinct predictions, in the order of the submission; all but the notes are [P].

    relation:  the relation's id.
    notes:     what was odd, counted.
    row:       the document's row; D, one past the last, where the gold data has no such title.
    place:     INTRA or INTER sentence; NOWHERE for entities that do not exist.
    gold:      the number of the gold triple; WRONG where it is none.
    evidence, correct_evidence: how many different sentences are given as evidence, and how many of them the gold
               triple has. None count outside the known documents, as in the official scorer.
    """

    relation: list[str]
    notes: list[str]
    row: NDArray[np.intp]
    place: NDArray[np.intp]
    gold: NDArray[np.intp]
    evidence: NDArray[np.intp]
    correct_evidence: NDArray[np.intp]


def match(predictions: Sequence[Prediction], gold: GoldIndex, relations: Collection[str]) -> Match:
    """Find each prediction's gold triple, as the official scorer does: of predictions that name the same triple the
    first counts; an unknown title, relation or entity makes a wrong prediction. Predictions for documents without
    labels are left out: nothing says whether they are right.

    relations: those that are known; a prediction of any other gets a note.
    """
    odd = _Oddities()
    seen: set[tuple[str, int, int, str]] = set()
    rows, places, triples, names, evidence, correct_evidence = [], [], [], [], [], []
    for prediction in predictions:
        title, head, tail, relation = prediction.title, prediction.head, prediction.tail, prediction.relation
        if (title, head, tail, relation) in seen:
            odd.add("duplicate", prediction)
            continue
        seen.add((title, head, tail, relation))
        row = gold.rows.get(title, gold.size)
        if row == UNLABELED:
            odd.add("unlabeled", prediction)
            continue
        if relation not in relations:
            odd.add("relation", prediction)
        if head == tail:
            odd.add("loop", prediction)
        place, stated = NOWHERE, frozenset(prediction.evidence)
        if row == gold.size:
            odd.add("title", prediction)
            stated = frozenset()
        else:
            entities = len(gold.sentences[row])
            if 0 <= head < entities and 0 <= tail < entities:
                place = INTRA if gold.share_sentence(row, head, tail) else INTER
            else:
                odd.add("entity", prediction)
            if stated and not (min(stated) >= 0 and max(stated) < gold.lengths[row]):
                odd.add("evidence", prediction)
        triple = gold.triples.get((row, head, tail, relation), WRONG)
        rows.append(row)
        places.append(place)
        triples.append(triple)
        names.append(relation)
        evidence.append(len(stated))
        correct_evidence.append(0 if triple == WRONG else len(stated & gold.evidence[triple]))
    notes = odd.notes()
    missed = set(gold.row.tolist()).difference(rows)
    if rows and missed:
        first = next(title for title, row in gold.rows.items() if row in missed)
        notes.append(f"{counted(len(missed), 'labeled document')} without a prediction (first: {first!r})")
    if rows and min(rows) == gold.size:
        notes.append("no prediction is for a document of the gold data: are they for another data set?")
    if not rows:
        notes.append("no predictions to score: precision is undefined and given as 0")
    columns = (np.array(column, dtype=np.intp) for column in (rows, places, triples, evidence, correct_evidence))
    return Match(names, notes, *columns)


# What is said of each sort of odd prediction, and the field of the first one that is shown.
ODDITIES = {
    "duplicate": ("given again: counted once", "title"),
    "title": ("for unknown titles: counted as wrong", "title"),
    "unlabeled": ("for gold documents without labels: left out", "title"),
    "entity": ("with entities that do not exist: counted as wrong", "title"),
    "relation": ("of relations that neither gold nor training data has: counted as wrong", "relation"),
    "loop": ("with head == tail: counted like any other", "title"),
    "evidence": ("with evidence sentences that do not exist: counted as wrong evidence", "title"),
}


class _Oddities:
    """Counts what is odd about predictions, and keeps the first of each sort as an example."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(ODDITIES, 0)
        self.first: dict[str, Prediction] = {}

    def add(self, sort: str, prediction: Prediction) -> None:
        self.counts[sort] += 1
        self.first.setdefault(sort, prediction)

    def notes(self) -> list[str]:
        return [
            f"{counted(self.counts[sort], 'prediction')} {meaning} (first: {getattr(self.first[sort], field)!r})"
            for sort, (meaning, field) in ODDITIES.items()
            if self.counts[sort]
        ]
