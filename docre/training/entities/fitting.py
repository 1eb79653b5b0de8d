"""Thresholds of the entity model, fitted on documents whose entities are known."""

from collections.abc import Callable, Sequence

import numpy as np

from docre.documents import Document
from docre.entities.features import EntityFeatures
from docre.entities.finder import EntityFinder, Found, Spans, Thresholds
from docre.evaluation.end_to_end.annotation import Annotation, annotation
from docre.evaluation.end_to_end.counting import count_entities, no_counts
from docre.evaluation.scores import PRF

GRID = np.round(np.arange(0.1, 0.96, 0.05), 2).tolist()


def fit_thresholds(
    finder: EntityFinder, documents: Sequence[Document], features: Sequence[EntityFeatures], spans: Sequence[Spans]
) -> tuple[Thresholds, dict[str, float]]:
    """The thresholds with the best F1 on documents, and the F1 of "mentions", "clusters" and "entities" with them: that
    of mentions with the best F1 of mentions, then that of pairs with the best F1 of entities. Of equally good ones the
    one nearest to 0.5.

    features: of each document, whole.
    spans:    the possible mentions of each document, by `EntityFinder.spans`.
    """
    gold = [{tuple(row[:2]) for row in f.spans.tolist()} for f in features]
    total = sum(len(entity.mentions) for document in documents for entity in document.entities)

    def mention_f1(threshold: float) -> float:
        found = [spans_.likely(threshold) for spans_ in spans]
        places = [set(zip(s.start.tolist(), s.length.tolist(), strict=True)) for s in found]
        correct = sum(len(g & p) for g, p in zip(gold, places, strict=True))
        return PRF(total, sum(map(len, places)), correct).f1 or 0.0

    mention = best(GRID, mention_f1)
    found = [finder.join(s.likely(mention), f) for s, f in zip(spans, features, strict=True)]
    truth = [annotation(document) for document in documents]
    scores = {threshold: entity_scores(finder, documents, truth, found, threshold) for threshold in GRID}
    same = best(GRID, lambda threshold: scores[threshold]["entities"])
    return Thresholds(mention, same), scores[same]


def best(values: Sequence[float], score: Callable[[float], float]) -> float:
    """The value with the highest score; of equally good ones the nearest to 0.5."""
    return max(values, key=lambda value: (score(value), -abs(value - 0.5)))


def entity_scores(
    finder: EntityFinder,
    documents: Sequence[Document],
    truth: Sequence[Annotation],
    found: Sequence[Found],
    threshold: float,
) -> dict[str, float]:
    """The F1 of "mentions", "clusters" and "entities" where clusters of at least this similarity are joined. `truth`:
    the gold annotation of each document."""
    counts = no_counts()
    for document, gold, of_document in zip(documents, truth, found, strict=True):
        predicted, _, _ = finder.with_entities(document, of_document, threshold)
        count_entities(counts, gold, annotation(predicted))
    f1 = {}
    for kind in ("mentions", "clusters", "entities"):
        f1[kind] = PRF(**{key: counts[kind][key] for key in ("gold", "predicted", "correct")}).f1 or 0.0
    return f1
