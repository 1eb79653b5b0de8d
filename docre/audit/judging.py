"""What models say about labels that they were not trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from docre.analysis.platt import Platt, fit_platt, sigmoid
from docre.analysis.table import Floats, MarginTable
from docre.audit.noise import AnnotationErrors
from docre.audit.suggestions import Suggestion
from docre.documents import Document
from docre.inference.checkpoint import load
from docre.inference.methods.decision import EVIDENCE_THRESHOLD
from docre.inference.predictor import Predictor
from docre.inference.probe import margin_table

EVIDENCE = f"evaluation.evidence_threshold={EVIDENCE_THRESHOLD}"


@dataclass(frozen=True)
class Judgment:
    """What one or more models say about the labels of documents.

    table:       pairs and labels, with the predictions of the first model.
    probability: [pairs, R] the mean of the models' calibrated probabilities that a triple is right.
    predicted:   [pairs, R] the share of the models that predict it.
    names:       readable names of the relations.
    """

    table: MarginTable
    probability: Floats
    predicted: Floats
    names: Sequence[str]

    def suggestions(self, documents: Sequence[Document], positions: Sequence[int], least: float) -> list[Suggestion]:
        """All labels, and the triples without a label that are true with a probability of at least `least`, as
        suggestions to remove and to add them, in no order. Their `probability` is that of the triple to be true as far
        as the models know, whatever its label (see `weighed`).

        documents: those of the table; `positions` are their positions in the whole file.
        """
        labels = self.table.labels
        against = np.where(labels, 1 - self.predicted, self.predicted)
        return [
            self._suggestion(documents, positions, pair, r, float(self.probability[pair, r]), float(against[pair, r]))
            for pair, r in np.argwhere(labels | (self.probability >= least)).tolist()
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


def load_judges(runs: Sequence[Path], plugins: Sequence[str] = ()) -> list[Predictor]:
    """The models of finished runs, which shall say what evidence they see."""
    return [load(run, changes=[EVIDENCE], plugins=plugins) for run in runs]


def judge(judges: Sequence[Predictor], documents: Sequence[Document], fitted: dict[int, Platt]) -> Judgment:
    """Let models judge the labels of documents that they were not trained on.

    Probabilities are those that were fitted on the models' dev documents; for a model without labeled dev documents,
    they are fitted on the labels of the first documents that it judges.

    fitted: the scalings of these models, by position; empty at first.
    """
    tables = [margin_table(model, documents, progress=True) for model in judges]
    probabilities: list[Floats] = []
    for i, (model, table) in enumerate(zip(judges, tables, strict=True)):
        platt = model.calibration.platt if model.calibration else None
        if platt is None:
            platt = fitted[i] = fitted.get(i) or fit_platt(table)
        probabilities.append(sigmoid(platt.slope * table.margins.astype(np.float64) + platt.intercept))
    predicted = np.mean([table.predicted for table in tables], axis=0)
    names = list(judges[0].schema.readable_names.values())
    return Judgment(tables[0], np.mean(probabilities, axis=0), predicted, names)


def common_sentences(document: Document, head: int, tail: int) -> tuple[int, ...]:
    """The sentences that mention both entities, or else those that mention one."""
    first, second = ({mention.sentence for mention in document.entities[e].mentions} for e in (head, tail))
    return tuple(sorted(first & second or first | second))


def weighed(suggestions: Iterable[Suggestion], errors: AnnotationErrors) -> list[Suggestion]:
    """What `Judgment.suggestions` found, with the probability that the label is missing or wrong, the most probable
    first; of equal ones that on which more judges agree, then by place in the file."""
    found = []
    for s in suggestions:
        true = float(errors.true(s.probability, s.kind == "wrong"))
        found.append(replace(s, probability=round(true if s.kind == "missing" else 1 - true, 6)))
    return sorted(
        found, key=lambda s: (-s.probability, -(s.agreement or 0), s.document, s.head, s.tail, s.relation, s.kind)
    )
