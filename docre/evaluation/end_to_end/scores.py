"""Scores of documents whose mentions, entities, types and triples were all predicted, against gold documents of the
same text.

Only exact matches count. A mention is right if its span is; a cluster if it has exactly the mentions of a gold entity;
an entity if its type is right too. A triple is right "relaxed" if its relation and both clusters are, "strict" if both
types are too (Eberts and Ulges 2021, JEREX).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from docre.core.words import counted
from docre.documents import Document, Prediction, check_titles
from docre.errors import DocreError
from docre.evaluation.end_to_end.annotation import Annotation, annotation, check_same_text, clusters_of
from docre.evaluation.end_to_end.coreference import METRICS, Fractions
from docre.evaluation.end_to_end.counting import KINDS, count_entities, count_facts, no_counts
from docre.evaluation.facts import TrainFacts
from docre.evaluation.gold import GoldIndex
from docre.evaluation.scores import PRF, measures


@dataclass(frozen=True)
class RelationScores:
    """The scores of triples. correct_in_train: how many are correct training facts; None without a training set."""

    all: PRF
    correct_in_train: int | None

    @property
    def ign_f1(self) -> float | None:
        """F1 without the training facts, as in docre.evaluation.scores; None where it is undefined."""
        if self.correct_in_train is None or not self.all.gold:
            return None
        counts = np.array([self.all.gold, self.all.predicted, self.all.correct, self.correct_in_train], dtype=float)
        return float(measures(counts)["ign_f1"])

    def to_json(self) -> dict[str, Any]:
        return self.all.to_json() | {"ign_f1": self.ign_f1, "correct_in_train": self.correct_in_train}


@dataclass(frozen=True)
class EndToEndScores:
    """The scores of predicted documents.

    mentions, clusters, entities: exact spans; exact sets of them; and their types too.
    coreference:  MUC, B-cubed and CEAF-e, by name (see docre.evaluation.end_to_end.coreference).
    relaxed, strict: triples (see above); None if no predicted document has triples, or no gold document has labels.
    surface:      triples of which only the relation and the texts of head and tail, each that of its first mention, are
                  compared, as by REBEL (Huguet Cabot and Navigli 2021). Not comparable with `relaxed` and `strict`.
    levels:       relation scores as more and more is predicted, by what the last predicted thing is. "gold": all
                  entities gold (only if the predictions for these are known). "mentions": as if every predicted cluster
                  were the gold one that it is most similar to (Dice), with its type. "clusters": as if all types were
                  right, which is `relaxed`. "types": `strict`.
    notes:        what is odd about the documents, as sentences.
    """

    mentions: PRF
    clusters: PRF
    entities: PRF
    coreference: dict[str, Fractions]
    relaxed: RelationScores | None
    strict: RelationScores | None
    surface: PRF | None
    levels: dict[str, PRF]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All scores, as they are written to JSON files."""
        return {
            **{name: getattr(self, name).to_json() for name in ("mentions", "clusters", "entities")},
            **{name: fractions.to_json() for name, fractions in self.coreference.items()},
            "coreference_f1": self.coreference_f1,
            "relaxed": self.relaxed and self.relaxed.to_json(),
            "strict": self.strict and self.strict.to_json(),
            "surface": self.surface and self.surface.to_json(),
            "levels": {name: prf.to_json() for name, prf in self.levels.items()},
            "notes": list(self.notes),
        }

    @property
    def coreference_f1(self) -> float | None:
        """The mean F1 of MUC, B-cubed and CEAF-e, as in CoNLL 2012; None if one of them is undefined."""
        values = [fractions.f1 for fractions in self.coreference.values()]
        defined = [value for value in values if value is not None]
        return sum(defined) / len(values) if len(defined) == len(values) else None


def evaluate_end_to_end(
    gold: Sequence[Document],
    predicted: Sequence[Document],
    train: TrainFacts | None = None,
    with_gold_entities: Sequence[Prediction] | None = None,
    source: str = "gold data",
    where: str = "predictions",
) -> EndToEndScores:
    """The scores of `predicted`, whose documents are matched with the gold ones by title.

    Gold documents that are not predicted count as predicted without entities; others than gold ones are left out.

    train:         the training facts that Ign-F1 leaves out; without them there is no Ign-F1.
    with_gold_entities: what the same relation model predicts for the gold documents with their gold entities.
    source, where: what messages call the gold data and the predictions (their files).

    Raises DocreError if two documents of one side have the same title, no document is predicted, or a text differs.
    """
    check_titles(gold, source)
    check_titles(predicted, where)
    by_title = {document.title: document for document in predicted}
    if not any(document.title in by_title for document in gold):
        first = f" (first: {predicted[0].title!r})" if predicted else ""
        raise DocreError(f"{where}: none of its {len(predicted)} documents{first} is a document of {source}")
    counts = no_counts()
    coreference = dict.fromkeys(METRICS, Fractions())
    for document in gold:
        truth = annotation(document)
        guess = Annotation(truth.text, {}, {}, frozenset())
        if document.title in by_title:
            guess = annotation(by_title[document.title])
            check_same_text(document.title, truth, guess, where)
        for name, metric in METRICS.items():
            coreference[name] += metric(truth.partition(), guess.partition())
        count_entities(counts, truth, guess)
        if truth.facts is not None:
            count_facts(counts, truth.facts, guess.facts or frozenset(), truth, guess, train)
    scores = {name: PRF(**{key: counts[name][key] for key in ("gold", "predicted", "correct")}) for name in KINDS}
    labeled = any(d.triples is not None for d in gold)
    scored = labeled and any(d.triples is not None for d in predicted)
    in_train = {name: None if train is None else counts["in_train"][name] for name in ("relaxed", "strict")}
    levels = {"mentions": scores["aligned"], "clusters": scores["relaxed"], "types": scores["strict"]} if scored else {}
    if with_gold_entities is not None:
        levels = {"gold": on_gold_entities(gold, with_gold_entities, source)} | levels
    return EndToEndScores(
        scores["mentions"],
        scores["clusters"],
        scores["entities"],
        coreference,
        RelationScores(scores["relaxed"], in_train["relaxed"]) if scored else None,
        RelationScores(scores["strict"], in_train["strict"]) if scored else None,
        scores["surface"] if scored else None,
        levels,
        tuple(notes(gold, predicted)),
    )


def on_gold_entities(gold: Sequence[Document], predictions: Sequence[Prediction], source: str) -> PRF:
    """The relaxed score of what was predicted for the gold documents with their gold entities. What names a document or
    an entity that does not exist is wrong. Raises DocreError as GoldIndex does."""
    GoldIndex(gold, None, source)  # raises the errors
    clusters = {d.title: dict(enumerate(clusters_of(d))) for d in gold if d.triples is not None}
    unlabeled = {d.title for d in gold if d.triples is None}
    right = {(d.title, *fact) for d in gold for fact in annotation(d).facts or ()}
    found: set[tuple[Any, ...]] = set()
    for p in predictions:
        entities = clusters.get(p.title, {})
        head, tail = entities.get(p.head, p.head), entities.get(p.tail, p.tail)
        if p.title not in unlabeled and frozenset() not in (head, tail):  # those without mentions are left out
            found.add((p.title, head, p.relation, tail))
    return PRF(len(right), len(found), len(right & found))


def notes(gold: Sequence[Document], predicted: Sequence[Document]) -> list[str]:
    """What is odd about the documents, as sentences."""
    wanted, given = [document.title for document in gold], [document.title for document in predicted]
    found = []
    for titles, others, text in (
        (wanted, set(given), "gold document{s} not predicted: counted as predicted without entities"),
        (given, set(wanted), "predicted document{s} not in the gold data: left out"),
    ):
        if missing := [title for title in titles if title not in others]:
            noun = text.format(s="s" * (len(missing) > 1))
            found.append(f"{len(missing)} {noun} (first: {missing[0]!r})")
    unlabeled = sum(document.triples is None for document in gold)
    if unlabeled:
        found.append(f"{counted(unlabeled, 'gold document')} without labels: relations not scored there")
    if not any(document.triples is not None for document in predicted):
        found.append("no predicted document has triples: relations are not scored")
    empty = sum(not entity.mentions for document in (*gold, *predicted) for entity in document.entities)
    if empty:
        found.append(f"{counted(empty, 'entity', 'entities')} without mentions: left out")
    return found
