"""Calibrations of a model: those that its checkpoint has, and others that are applied to it."""

from collections.abc import Sequence
from pathlib import Path

from docre.analysis import Calibration, load_calibration
from docre.documents import Document
from docre.errors import DocreError
from docre.inference import confidence
from docre.inference.checkpoint import load
from docre.inference.confidence import plain_text
from docre.inference.extract import extract, tagger_name
from docre.inference.predictor import Predictor
from docre.inference.probe import margin_table


def apply_calibration(predictor: Predictor, path: str | Path, force: bool = False) -> None:
    """Apply a saved calibration: its shift of the margins, and its probabilities.

    Raises DocreError if the file is not a calibration, was made for other relations, or, unless `force`, was made for
    other weights.
    """
    calibration = load_calibration(path)
    calibration.check_relations(predictor.schema.relations, str(path))
    if not force:
        calibration.check_weights(predictor.weights_digest, str(path))
    predictor.use(calibration)


def fitted_calibration(predictor: Predictor, documents: Sequence[Document]) -> Calibration:
    """Probabilities fitted on labeled documents, which leave the predictions as they are. If the predictor has a tagger
    of its own, those of triples of plain text are fitted too."""
    calibration = Calibration.without_shift(margin_table(predictor, [d for d in documents if d.triples is not None]))
    return with_end_to_end(predictor, calibration, documents) if predictor.tagger is not None else calibration


def with_end_to_end(
    predictor: Predictor, calibration: Calibration, documents: Sequence[Document], progress: bool = False
) -> Calibration:
    """The calibration with the probabilities of triples of plain text, fitted on what the predictor and its tagger find
    in the texts of labeled documents. Raises DocreError if there is no tagger."""
    labeled = [document for document in documents if document.triples is not None]
    name = tagger_name(predictor)
    found = extract(predictor, [(d.title, plain_text(d)) for d in labeled], progress=progress)
    return confidence.fit(calibration, str(name), labeled, found)


def check_probabilities(predictor: Predictor, checkpoint: str) -> None:
    """Raises DocreError if a checkpoint has no calibration, which `--min-confidence` needs."""
    if predictor.calibration is None:
        raise DocreError(
            "--min-confidence: the checkpoint has no probabilities; fit them on dev documents: docre calibrate "
            f"--checkpoint {checkpoint} --data DEV --no-shift --end-to-end"
        )


def load_calibrated(
    folder: str | Path,
    changes: Sequence[str] = (),
    plugins: Sequence[str] = (),
    calibration: str | Path | None = None,
    force: bool = False,
) -> Predictor:
    """`docre.load`, with a saved calibration applied if one is given (see `apply_calibration`)."""
    predictor = load(folder, changes=changes, plugins=plugins)
    if calibration:
        apply_calibration(predictor, calibration, force)
    return predictor
