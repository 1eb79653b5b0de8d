"""Matches a submission with the gold triples, in one pass over the predictions; scores are then computed on arrays."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docre.core.words import counted
from docre.documents import Prediction
from docre.evaluation.gold import INTER, INTRA, UNLABELED, GoldIndex

NO_SCOPE = 2  # the scope of a prediction whose document or entities do not exist
NO_MATCH = -1  # the gold triple of a prediction that matches none


@dataclass(frozen=True)
class Match:
    """The P distinct predictions in the order of the submission. Every field but `notes` is [P].

    relation:  the relation's id.
    notes:     what is odd about the submission, as sentences with counts.
    row:       the row of the document; D, one past the last row, for a title that the gold data does not have.
    scope:     INTRA or INTER (sentence); NO_SCOPE where the document or an entity does not exist.
    gold:      the number of the gold triple; NO_MATCH for a wrong prediction.
    evidence, correct_evidence: the number of distinct evidence sentences, and how many of them are evidence of the gold
               triple. Both are 0 for unknown documents, as in the official scorer.
    """

    relation: list[str]
    notes: list[str]
    row: NDArray[np.intp]
    scope: NDArray[np.intp]
    gold: NDArray[np.intp]
    evidence: NDArray[np.intp]
    correct_evidence: NDArray[np.intp]


def match(predictions: Sequence[Prediction], gold: GoldIndex, relations: Collection[str]) -> Match:
    """Find the gold triple of each prediction, as the official scorer does.

    Of several predictions of one triple the first counts. A prediction with an unknown title, relation or entity is
    wrong. Predictions for documents without labels are left out, as nobody knows whether they are right.

    relations: the known relations; predictions of other relations get a note.
    """
    oddities = _Oddities()
    seen: set[tuple[str, int, int, str]] = set()
    rows, scopes, triples, names, evidence, correct_evidence = [], [], [], [], [], []
    for prediction in predictions:
        title, head, tail, relation = prediction.title, prediction.head, prediction.tail, prediction.relation
        if (title, head, tail, relation) in seen:
            oddities.add("duplicate", prediction)
            continue
        seen.add((title, head, tail, relation))
        row = gold.rows.get(title, gold.size)
        if row == UNLABELED:
            oddities.add("unlabeled", prediction)
            continue
        if relation not in relations:
            oddities.add("relation", prediction)
        if head == tail:
            oddities.add("loop", prediction)
        scope, stated = NO_SCOPE, frozenset(prediction.evidence)
        if row == gold.size:
            oddities.add("title", prediction)
            stated = frozenset()
        else:
            entities = len(gold.sentences[row])
            if 0 <= head < entities and 0 <= tail < entities:
                scope = INTRA if gold.share_sentence(row, head, tail) else INTER
            else:
                oddities.add("entity", prediction)
            if stated and not (min(stated) >= 0 and max(stated) < gold.lengths[row]):
                oddities.add("evidence", prediction)
        triple = gold.triples.get((row, head, tail, relation), NO_MATCH)
        rows.append(row)
        scopes.append(scope)
        triples.append(triple)
        names.append(relation)
        evidence.append(len(stated))
        correct_evidence.append(0 if triple == NO_MATCH else len(stated & gold.evidence[triple]))
    notes = oddities.notes()
    missed = set(gold.row.tolist()).difference(rows)
    if rows and missed:
        first = next(title for title, row in gold.rows.items() if row in missed)
        notes.append(f"{counted(len(missed), 'labeled document')} without a prediction (first: {first!r})")
    if rows and min(rows) == gold.size:
        notes.append("no prediction is for a document of the gold data: are they for another data set?")
    if not rows:
        notes.append("no predictions to score: precision is undefined and given as 0")
    columns = (np.array(column, dtype=np.intp) for column in (rows, scopes, triples, evidence, correct_evidence))
    return Match(names, notes, *columns)


# For each kind of odd prediction: what its note says, and the field of the first one that the note quotes.
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
    """Counts odd predictions by kind (a key of ODDITIES), and keeps the first of each kind as an example."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(ODDITIES, 0)
        self.first: dict[str, Prediction] = {}

    def add(self, kind: str, prediction: Prediction) -> None:
        self.counts[kind] += 1
        self.first.setdefault(kind, prediction)

    def notes(self) -> list[str]:
        return [
            f"{counted(self.counts[kind], 'prediction')} {text} (first: {getattr(self.first[kind], field)!r})"
            for kind, (text, field) in ODDITIES.items()
            if self.counts[kind]
        ]
