"""Calibrations of a model or an ensemble: those that checkpoints have, and others that are applied to it."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from docre.analysis import Calibration, calibrate, load_calibration
from docre.data.readers import read
from docre.documents import Document
from docre.errors import DocreError, DocreWarning, prefixed
from docre.extraction import Extraction
from docre.inference import confidence
from docre.inference.extract import find, is_readable, tagger_name, to_extraction
from docre.inference.loading import Checkpoints, load
from docre.inference.probe import margin_table
from docre.inference.scorer import PairScorer


def apply_calibration(predictor: PairScorer, path: str | Path, force: bool = False) -> None:
    """Apply a saved calibration: its shift of the margins, and its probabilities.

    Raises DocreError if the file is not a calibration, was made for other relations, or, unless `force`, was made for
    other weights.
    """
    calibration = load_calibration(path)
    calibration.check_relations(predictor.schema.relations, str(path))
    if not force:
        calibration.check_weights(predictor.weights_digest, str(path))
    predictor.use(calibration)


def fit_threshold(predictor: PairScorer, documents: Sequence[Document], progress: bool = False) -> None:
    """Choose on labeled documents the shift of all margins with the best F1, and apply it. What was applied before is
    forgotten. Raises DocreError for a document without labels, and if nothing is labeled."""
    predictor.forget_calibration()
    table = margin_table(predictor, documents, progress)
    predictor.use(calibrate(table, top_k=predictor.top_k))


def fitted_calibration(predictor: PairScorer, documents: Sequence[Document]) -> Calibration:
    """Probabilities fitted on labeled documents, which leave the predictions as they are. If the predictor has a tagger
    of its own, those of triples of plain text are fitted too."""
    calibration = Calibration.without_shift(margin_table(predictor, [d for d in documents if d.triples is not None]))
    return with_end_to_end(predictor, calibration, documents)[0] if predictor.tagger is not None else calibration


def with_end_to_end(
    predictor: PairScorer, calibration: Calibration, documents: Sequence[Document], progress: bool = False
) -> tuple[Calibration, list[Extraction]]:
    """The calibration with the probabilities of triples of plain text, fitted on what the predictor and its tagger find
    in the texts of labeled documents; and what they find, with these probabilities. Documents whose text is empty or
    too long are left out, with a DocreWarning. Raises DocreError if there is no tagger."""
    labeled = labeled_texts(documents)
    if left_out := sum(document.triples is not None for document in documents) - len(labeled):
        message = f"{left_out} labeled documents have an empty or too long text: confidence is fitted without them"
        warnings.warn(message, DocreWarning, stacklevel=2)
    found = list(zip(*find(predictor, [(d.title, d.plain_text) for d in labeled], progress=progress), strict=True))
    before = [to_extraction(*both, calibration) for both in found]
    fitted = confidence.fit(calibration, str(tagger_name(predictor)), labeled, before)
    return fitted, [to_extraction(*both, fitted) for both in found]


def labeled_texts(documents: Sequence[Document]) -> list[Document]:
    """The documents that `with_end_to_end` reads: labeled ones whose text is neither empty nor too long."""
    return [document for document in documents if document.triples is not None and is_readable(document)]


def check_probabilities(predictor: PairScorer, checkpoint: str) -> None:
    """Raises DocreError if a checkpoint has no probabilities, which `--min-confidence` needs."""
    if predictor.calibration is None or predictor.calibration.platt is None:
        raise DocreError(
            "--min-confidence: the checkpoint has no probabilities; fit them on dev documents: docre calibrate "
            f"--checkpoint {checkpoint} --data DEV --no-shift --end-to-end"
        )


def load_calibrated(
    folder: str | Path | Checkpoints,
    changes: Sequence[str] = (),
    plugins: Sequence[str] = (),
    calibration: str | Path | None = None,
    force: bool = False,
    dev: str | Path | None = None,
) -> PairScorer:
    """`docre.load`, with a saved calibration applied if one is given (see `apply_calibration`), or with the threshold
    fitted on `dev`, a file of labeled documents in the format of the training data (see `fit_threshold`)."""
    predictor = load(folder, changes=changes, plugins=plugins)
    if calibration:
        apply_calibration(predictor, calibration, force)
    if dev:
        documents = read(dev, predictor.config.data.reader)
        with prefixed(dev):
            fit_threshold(predictor, documents, progress=True)
    return predictor
