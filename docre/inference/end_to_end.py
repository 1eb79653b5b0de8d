"""A model as it reads plain text: what it finds in the texts of documents, how fast, and how reliable that is."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from docre.analysis.curves import Bin, reliability_bins
from docre.documents import Document, Prediction, Triple
from docre.errors import DocreWarning
from docre.extraction import Extraction
from docre.inference.confidence import confidence_and_truth
from docre.inference.extract import find, is_readable, to_extraction
from docre.inference.scorer import PairScorer

SURE = 0.8


@dataclass(frozen=True)
class FoundInText:
    """What was found in the texts of labeled documents.

    documents: with the entities and triples that were found.
    seconds:   that it took.
    bins, error: how reliable the confidence is (see docre.analysis.curves.reliability_bins); no bins if there is no
               confidence.
    sure:      the number of triples with a confidence of at least SURE, and the share of them that is right.
    """

    documents: Sequence[Document]
    seconds: float
    bins: Sequence[Bin]
    error: float
    sure: tuple[int, float | None]

    def to_json(self) -> dict[str, Any]:
        """For JSON files."""
        return {
            "documents_per_second": len(self.documents) / self.seconds,
            "confidence": {
                "bins": [bin_._asdict() for bin_ in self.bins],
                "expected_calibration_error": self.error if self.bins else None,
                f"at_least_{SURE}": {"triples": self.sure[0], "right": self.sure[1]},
            },
        }

    def lines(self) -> list[str]:
        """As text, with the number of documents a second."""
        speed = f"{len(self.documents) / self.seconds:.1f} documents a second"
        if not self.bins:
            return ["", speed]
        found = ["", f"{'confidence':<14}{'triples':>9}{'mean':>9}{'right':>9}"]
        for low, high, triples, confidence, right in self.bins:
            found.append(f"{low:.1f} to {high:.1f}{triples:>13}{100 * confidence:>9.2f}{100 * right:>9.2f}")
        number, share = self.sure
        right_share = "-" if share is None else f"{100 * share:.2f}%"
        found.append(f"expected calibration error {self.error:.4f}; of {number} triples with a confidence of {SURE} or")
        return [*found, f"more, {right_share} are right", "", speed]


def read_as_text(predictor: PairScorer, gold: Sequence[Document], min_confidence: float | None = None) -> FoundInText:
    """What a model finds in the texts of documents, with its tagger; of triples only those that are at least so sure.
    In a text that is empty or too long nothing is found, with a DocreWarning. Raises DocreError if there is no tagger.
    """
    read = [document for document in gold if is_readable(document)]
    if len(read) < len(gold):
        message = f"{len(gold) - len(read)} documents have an empty or too long text: nothing is found in them"
        warnings.warn(message, DocreWarning, stacklevel=2)
    start = time.perf_counter()
    documents, predictions = find(predictor, [(d.title, d.plain_text) for d in read], progress=True)
    seconds = time.perf_counter() - start
    both = list(zip(documents, predictions, strict=True))
    extractions = [to_extraction(*each, predictor.calibration) for each in both]
    labeled = [i for i, document in enumerate(read) if document.triples is not None]
    confidence, right = confidence_and_truth([read[i] for i in labeled], [extractions[i] for i in labeled])
    bins, error = reliability_bins(confidence, right)
    sure = right[confidence >= SURE]
    with_triples = []
    for (document, found), extraction in zip(both, extractions, strict=True):
        kept = found if min_confidence is None else in_extraction(document, found, extraction.surer(min_confidence))
        triples = tuple(Triple(p.head, p.tail, p.relation, p.evidence) for p in kept)
        with_triples.append(replace(document, triples=triples))
    return FoundInText(with_triples, seconds, bins, error, (len(sure), float(sure.mean()) if len(sure) else None))


def in_extraction(document: Document, found: Sequence[Prediction], extraction: Extraction) -> list[Prediction]:
    """Those predictions whose triples are in an extraction of the document, which has only entities with mentions."""
    entity = [e for e, each in enumerate(document.entities) if each.mentions]
    there = {(entity[t.head], entity[t.tail], t.relation) for t in extraction.triples}
    return [p for p in found if (p.head, p.tail, p.relation) in there]
