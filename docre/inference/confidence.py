"""The confidence of triples of plain text, and its calibration on documents whose entities and triples are known."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from docre.analysis.calibration import Calibration
from docre.analysis.confidence import EndToEnd, fit_end_to_end, score_log_odds
from docre.documents import Document
from docre.evaluation.end_to_end.annotation import Annotation, Cluster, annotation
from docre.evaluation.scores import PRF
from docre.extraction import ExtractedEntity, Extraction, Span

THRESHOLDS = [round(i / 100, 2) for i in range(100)]


def confidence(
    calibration: Calibration | None, tagger: str | None, margin: float, head: ExtractedEntity, tail: ExtractedEntity
) -> float | None:
    """The probability that a triple with this margin is right, its entities included; None without a calibration.

    As the calibration says, if it was fitted for this tagger; otherwise the probability of the relation times what is
    known of both entities: the score of the surest mention and that of the entity itself.
    """
    if calibration is None or calibration.platt is None:
        return None
    if calibration.end_to_end is not None and calibration.end_to_end.tagger == tagger:
        return calibration.end_to_end.probability(*components(calibration, margin, head, tail))
    return calibration.platt.probability(margin) * certainty(head) * certainty(tail)


def components(
    calibration: Calibration, margin: float, head: ExtractedEntity, tail: ExtractedEntity
) -> tuple[float, float, float]:
    """z, m and e of a triple (see EndToEnd)."""
    assert calibration.platt is not None
    z = calibration.platt.log_odds(margin)
    mentions = sum(score_log_odds(product_of_scores(entity)) for entity in (head, tail))
    return z, mentions, sum(score_log_odds(entity.score) for entity in (head, tail))


def product_of_scores(entity: ExtractedEntity) -> float | None:
    """The product of the scores of the mentions of an entity, which is right only if all of them are; None if none is
    known."""
    known = [mention.score for mention in entity.mentions if mention.score is not None]
    return prod(known) if known else None


def highest_score(entity: ExtractedEntity) -> float | None:
    """The highest score of the mentions of an entity; None if none is known."""
    return max((mention.score for mention in entity.mentions if mention.score is not None), default=None)


def certainty(entity: ExtractedEntity) -> float:
    """How sure an entity is: the score of its surest mention times its own. What is unknown counts as 1."""
    sure = highest_score(entity)
    return (1.0 if sure is None else sure) * (1.0 if entity.score is None else entity.score)


def fit(calibration: Calibration, tagger: str, gold: Sequence[Document], found: Sequence[Extraction]) -> Calibration:
    """The calibration with the confidence of triples of plain text, fitted on what was found in the texts of labeled
    documents by this tagger. It is left out if nothing was found."""
    features, right = [], []
    for document, extraction in zip(gold, found, strict=True):
        entities = extraction.entities
        features += [components(calibration, t.margin, entities[t.head], entities[t.tail]) for t in extraction.triples]
        right += right_triples(annotation(document), extraction)
    if not features:
        return replace(calibration, end_to_end=None)
    fitted: EndToEnd = fit_end_to_end(np.array(features, dtype=np.float64), np.array(right, dtype=bool), tagger)
    return replace(calibration, end_to_end=fitted)


def best_threshold(gold: Sequence[Document], found: Sequence[Extraction]) -> tuple[float, dict[float, PRF]]:
    """The confidence, with two decimals, from which on triples have the best F1, and the scores from 0 and from that
    confidence on. `found`: in the texts of labeled documents; triples are right as in `right_triples`."""
    sure, right = confidence_and_truth(gold, found)
    total = sum(len(annotation(document).facts or ()) for document in gold)
    scores = {t: PRF(total, int((sure >= t).sum()), int(right[sure >= t].sum())) for t in THRESHOLDS}
    best = max(THRESHOLDS, key=lambda t: (scores[t].f1 or 0.0, -t))
    return best, {t: scores[t] for t in (0.0, best)}


def right_triples(gold: Annotation, found: Extraction) -> list[bool]:
    """Which triples are right: their relation and both clusters. The texts may differ in white space."""
    before = list(accumulate((not character.isspace() for character in found.text), initial=0))

    def place(span: Span) -> tuple[int, int]:
        return before[span.start], before[span.end]

    clusters: list[Cluster] = [frozenset(map(place, entity.mentions)) for entity in found.entities]
    facts = gold.facts or frozenset()
    return [(clusters[t.head], t.relation, clusters[t.tail]) in facts for t in found.triples]


def confidence_and_truth(
    gold: Sequence[Document], found: Sequence[Extraction]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The confidence of all triples, and which of them are right; triples without a confidence are left out."""
    sure: list[float] = []
    right: list[bool] = []
    for document, extraction in zip(gold, found, strict=True):
        of_document = right_triples(annotation(document), extraction)
        for triple, is_right in zip(extraction.triples, of_document, strict=True):
            if triple.confidence is not None:
                sure.append(triple.confidence)
                right.append(is_right)
    return np.array(sure, dtype=np.float64), np.array(right, dtype=bool)
