"""What models say about labels: those that have not seen them in training, and those that have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from docre.analysis.platt import Platt, fit_platt, log_odds, sigmoid
from docre.analysis.table import Bools, Floats, MarginTable
from docre.audit.faults import Faults
from docre.audit.suggestions import KINDS, Suggestion
from docre.documents import Document
from docre.inference.checkpoint import load
from docre.inference.methods.decision import EVIDENCE_THRESHOLD
from docre.inference.probe import margin_table

EVIDENCE = f"evaluation.evidence_threshold={EVIDENCE_THRESHOLD}"


@dataclass(frozen=True)
class Judgment:
    """What models say about the labels of documents.

    table:       pairs and labels, with the predictions of the first model that has not seen them.
    held_out:    [pairs, R] the mean of the calibrated probabilities that a triple is right, of the models that have not
                 seen its label; with a single fold, of all.
    probability: [pairs, R] the mean of all models.
    predicted:   [pairs, R] the share of all models that predict it.
    names:       readable names of the relations.
    """

    table: MarginTable
    held_out: Floats
    probability: Floats
    predicted: Floats
    names: Sequence[str]

    def candidates(self, kind: str) -> Bools:
        """[pairs, R] True for the candidates of a kind: for "wrong" the labels, for "missing" all else."""
        return self.table.labels if kind == "wrong" else ~self.table.labels

    def count(self, faults: Mapping[str, Faults], probes: Bools) -> None:
        """Count all candidates of each kind. `probes`: [pairs, R] True for those that are known to be faults."""
        for kind in KINDS:
            where = self.candidates(kind)
            faults[kind].add(score(self.probability[where], kind), probes[where])

    def suggestions(
        self, documents: Sequence[Document], positions: Sequence[int], probes: Bools, least: float
    ) -> list[Suggestion]:
        """All labels, and the triples without a label that are true with a probability of at least `least`, but for
        probes, as suggestions to remove and to add them, in no order. Their `probability` is that of the triple to be
        true as the models see it (see `weighed`).

        documents: those of the table; `positions` are their positions in the whole file.
        """
        labels = self.table.labels
        against = np.where(labels, 1 - self.predicted, self.predicted)
        return [
            self._suggestion(documents, positions, pair, r, float(self.probability[pair, r]), float(against[pair, r]))
            for pair, r in np.argwhere((labels | (self.probability >= least)) & ~probes).tolist()
        ]

    def _suggestion(
        self, documents: Sequence[Document], positions: Sequence[int], pair: int, r: int, p: float, against: float
    ) -> Suggestion:
        table, i = self.table, int(self.table.document[pair])
        document, head, tail = documents[i], int(table.head[pair]), int(table.tail[pair])
        relation, is_label = table.relations[r], bool(table.labels[pair, r])
        of_label = {
            sentence
            for t in (document.triples or () if is_label else ())
            if (t.head, t.tail, t.relation) == (head, tail, relation)
            for sentence in t.evidence
        }
        return Suggestion(
            kind="wrong" if is_label else "missing",
            document=positions[i],
            title=document.title,
            head=head,
            tail=tail,
            relation=relation,
            probability=p,
            agreement=round(against, 4),
            evidence=tuple(sorted(of_label)) or table.evidence_of(pair) or common_sentences(document, head, tail),
            head_name=document.entities[head].name,
            tail_name=document.entities[tail].name,
            relation_name=self.names[r],
        )


class Judge:
    """The model of a finished run. It is loaded anew whenever it judges, so that one judge at a time is in memory.

    run:     its folder.
    unseen:  documents that it was not trained on (with a single fold, some that it was). If it has no calibration, for
             want of labeled dev documents, its probabilities are fitted on their labels.
    plugins: modules that it needs.
    """

    def __init__(self, run: Path, unseen: Sequence[Document], plugins: Sequence[str] = ()) -> None:
        self.run = run
        self.unseen = unseen
        self.plugins = plugins
        self.platt: Platt | None = None

    def __call__(self, documents: Sequence[Document]) -> tuple[MarginTable, Floats, Sequence[str]]:
        """Its margins, the probabilities [pairs, R] that triples are right, and readable names of its R relations."""
        model = load(self.run, changes=[EVIDENCE], plugins=self.plugins)
        table = margin_table(model, documents, progress=True)
        if self.platt is None:
            calibrated = model.calibration.platt if model.calibration else None
            self.platt = calibrated or fit_platt(margin_table(model, self.unseen, progress=True))
        probability = sigmoid(self.platt.slope * table.margins.astype(np.float64) + self.platt.intercept)
        return table, probability, list(model.schema.readable_names.values())


class Tally:
    """What some judges say of the same pairs, added up: probabilities, predictions and, by relation, their number."""

    def __init__(self, table: MarginTable) -> None:
        self.column = {relation: r for r, relation in enumerate(table.relations)}
        self.total, self.votes = np.zeros(table.labels.shape), np.zeros(table.labels.shape)
        self.count = np.zeros(len(table.relations))

    def add(self, table: MarginTable, probability: Floats) -> None:
        """Add a judge. Judges trained on other documents may know other relations: only those of the table are kept."""
        known = [r for r, relation in enumerate(table.relations) if relation in self.column]
        columns = [self.column[table.relations[r]] for r in known]
        self.total[:, columns] += probability[:, known]
        self.votes[:, columns] += table.predicted[:, known]
        self.count[columns] += 1

    @property
    def mean(self) -> Floats:
        """[pairs, R] the mean probability, once a judge that knows all relations of the table has been added."""
        return self.total / self.count


def judge(unseen_by: Sequence[Judge], seen_by: Sequence[Judge], documents: Sequence[Document]) -> Judgment:
    """Let models judge the labels of documents: those that were not trained on them (at least one), and those that
    were. The first one decides which relations are judged."""
    table, probability, names = unseen_by[0](documents)
    tally = Tally(table)
    tally.add(table, probability)
    for one in unseen_by[1:]:
        tally.add(*one(documents)[:2])
    held_out = tally.mean
    for one in seen_by:
        tally.add(*one(documents)[:2])
    return Judgment(table, held_out, tally.mean, tally.votes / tally.count, names)


def common_sentences(document: Document, head: int, tail: int) -> tuple[int, ...]:
    """The sentences that mention both entities, or else those that mention one."""
    first, second = ({mention.sentence for mention in document.entities[e].mentions} for e in (head, tail))
    return tuple(sorted(first & second or first | second))


def score(probability: Any, kind: str) -> Any:
    """The log odds of a fault of this kind, where triples are true with these probabilities."""
    return log_odds(probability) if kind == "missing" else -log_odds(probability)


def weighed(suggestions: Sequence[Suggestion], faults: Mapping[str, Faults]) -> list[Suggestion]:
    """What `Judgment.suggestions` found, with the probability that the label is missing or wrong, the most probable
    first; of equal ones those that the models doubt most, then by place in the file."""
    found: list[tuple[float, Suggestion]] = []
    for kind in KINDS:
        of_kind = [s for s in suggestions if s.kind == kind]
        scores = score(np.array([s.probability for s in of_kind]), kind)
        chances = faults[kind].probability(scores)
        found += [
            (-one, replace(s, probability=round(chance, 6)))
            for s, one, chance in zip(of_kind, scores.tolist(), chances.tolist(), strict=True)
        ]
    found.sort(key=lambda f: (-f[1].probability, f[0], f[1].document, f[1].head, f[1].tail, f[1].relation))
    return [suggestion for _, suggestion in found]
