"""Silver labels: documents whose labels are what a model predicts."""

from collections.abc import Sequence
from dataclasses import replace

from docre.documents import Document, Triple
from docre.inference.scorer import PairScorer


def label(predictor: PairScorer, documents: Sequence[Document], progress: bool = False) -> list[Document]:
    """Copies of the documents that have the predicted triples as labels, with evidence if the model predicts it."""
    predictions = predictor.predict(documents, progress)
    return [
        replace(document, triples=tuple(Triple(p.head, p.tail, p.relation, p.evidence) for p in found))
        for document, found in zip(documents, predictions, strict=True)
    ]
