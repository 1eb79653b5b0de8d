"""The evaluator: computes scores from predictions and gold documents."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from docre.documents import Document, Prediction
from docre.evaluation.facts import TrainFacts
from docre.evaluation.gold import INTER, INTRA, GoldIndex
from docre.evaluation.match import NO_MATCH, Match, match
from docre.evaluation.scores import PRF, SLICES, Scores, measures

FREQUENT = 10  # the number of relations that count as frequent; the others are the long tail
SUSPICIOUS = 20  # correct predictions from which on a note is given if all or none of them are training facts


class Evaluator:
    """Scores any number of submissions against the same gold data: `Evaluator(gold)(predictions)`.

    gold:   the documents with their labels, which are indexed once, here.
    train:  the training facts that Ign-F1 leaves out; without them there is no Ign-F1.
    source: what error messages call the gold data (its path).

    Raises DocreError where no meaningful score exists: see GoldIndex.
    """

    metric = "f1"  # the field of Scores by which checkpoints are compared
    higher_is_better = True

    def __init__(self, gold: Sequence[Document], train: TrainFacts | None = None, source: str = "gold data") -> None:
        self.train = train
        self.source = source
        self.gold = GoldIndex(gold, train, source)
        self.gold_relation = [relation for _, _, _, relation in self.gold.triples]
        self.gold_counts = Counter(self.gold_relation)
        ranking = self.gold_counts if train is None or not train.relation_counts else train.relation_counts
        by_frequency = sorted(ranking, key=lambda relation: (-ranking[relation], relation))
        self.frequent_relations = tuple(by_frequency[:FREQUENT])
        self.relations = self.gold_counts.keys() | (set() if train is None else train.relation_counts.keys())

    def __call__(self, predictions: Sequence[Prediction]) -> Scores:
        """The scores of these predictions, in one pass over them. No prediction, however odd, raises an error."""
        matched = match(predictions, self.gold, self.relations)
        counts = self._counts(matched)
        totals = counts.sum(axis=0)
        slices = {name: _prf(totals[i]) for i, name in enumerate(SLICES)}
        per_relation = self._per_relation(matched)
        macro = [prf.f1 for prf in per_relation.values() if prf.f1 is not None]
        measured = measures(totals[0])
        evidence = slices["evidence"]
        in_train = int(totals[0, 3])
        return Scores(
            p=slices["all"].p or 0.0,
            r=float(measured["r"]),
            f1=float(measured["f1"]),
            ign_p=None if self.train is None else float(measured["ign_p"]),
            ign_f1=None if self.train is None else float(measured["ign_f1"]),
            macro_f1=sum(macro) / len(macro),
            all=slices["all"],
            correct_in_train=None if self.train is None else in_train,
            intra=slices["intra"],
            inter=slices["inter"],
            frequent=slices["frequent"],
            long_tail=slices["long_tail"],
            frequent_relations=self.frequent_relations,
            evidence=evidence if evidence.predicted and evidence.gold else None,
            per_relation=per_relation,
            notes=(*self.gold.notes, *matched.notes, *self._notes(slices, in_train)),
            counts=counts,
        )

    def _counts(self, matched: Match) -> NDArray[np.float64]:
        """The array `Scores.counts`: [D + 1, len(SLICES), 4]."""
        gold, correct = self.gold, matched.gold != NO_MATCH
        in_train = np.zeros(len(correct), dtype=bool)
        in_train[correct] = gold.in_train[matched.gold[correct]]
        frequent_gold, frequent = self._is_frequent(self.gold_relation), self._is_frequent(matched.relation)
        masks = {
            "all": (np.ones(len(gold.row), dtype=bool), np.ones(len(correct), dtype=bool)),
            "intra": (gold.intra, matched.scope == INTRA),
            "inter": (~gold.intra, matched.scope == INTER),
            "frequent": (frequent_gold, frequent),
            "long_tail": (~frequent_gold, ~frequent),
        }
        rows = gold.size + 1
        counts = np.zeros((rows, len(SLICES), 4))
        for i, name in enumerate(SLICES[:-1]):
            in_gold, predicted = masks[name]
            counts[:, i, 0] = np.bincount(gold.row[in_gold], minlength=rows)
            for j, mask in enumerate((predicted, predicted & correct, predicted & in_train), start=1):
                counts[:, i, j] = np.bincount(matched.row[mask], minlength=rows)
        counts[:-1, -1, 0] = gold.evidence_total
        counts[:, -1, 1] = np.bincount(matched.row, matched.evidence, minlength=rows)
        counts[:, -1, 2] = np.bincount(matched.row, matched.correct_evidence, minlength=rows)
        return counts

    def _is_frequent(self, relations: Sequence[str]) -> NDArray[np.bool_]:
        frequent = frozenset(self.frequent_relations)
        return np.array([relation in frequent for relation in relations], dtype=bool)

    def _per_relation(self, matched: Match) -> dict[str, PRF]:
        predicted = Counter(matched.relation)
        correct = Counter(self.gold_relation[triple] for triple in matched.gold.tolist() if triple != NO_MATCH)
        gold = self.gold_counts
        relations = sorted(gold.keys() | predicted.keys(), key=lambda relation: (-gold[relation], relation))
        return {relation: PRF(gold[relation], predicted[relation], correct[relation]) for relation in relations}

    def _notes(self, slices: Mapping[str, PRF], in_train: int) -> list[str]:
        notes = []
        correct = slices["all"].correct
        if slices["evidence"].predicted and not slices["evidence"].gold:
            notes.append("the gold data has no evidence: evidence is not scored")
        if self.train is not None and not self.train.facts:
            notes.append("the training set states no facts: Ign-F1 leaves nothing out")
        elif self.train is not None and correct >= SUSPICIOUS and in_train in (0, correct):
            notes.append(
                f"{in_train} of {correct} correct predictions are training facts: is it the right file for Ign-F1?"
            )
        return notes


def evaluate(predictions: Sequence[Prediction], gold: Sequence[Document], train: TrainFacts | None = None) -> Scores:
    """The scores of one submission, as `Evaluator(gold, train)(predictions)` gives them."""
    return Evaluator(gold, train)(predictions)


def _prf(counts: NDArray[np.float64]) -> PRF:
    gold, predicted, correct = (int(count) for count in counts[:3])
    return PRF(gold, predicted, correct)
