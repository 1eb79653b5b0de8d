"""Applies a saved calibration to a model."""

from collections.abc import Sequence
from pathlib import Path

from docre.analysis import load_calibration
from docre.inference.checkpoint import load
from docre.inference.predictor import Predictor


def apply_calibration(predictor: Predictor, path: str | Path, force: bool = False) -> None:
    """Apply a saved calibration: its shift of the margins, and its probabilities.

    Raises DocreError if the file is not a calibration, was made for other relations, or, unless `force`, was made for
    other weights.
    """
    calibration = load_calibration(path)
    calibration.check_relations(predictor.schema.relations, str(path))
    if not force:
        calibration.check_weights(predictor.weights_digest, str(path))
    predictor.loss.margin_shift = predictor.loss.margin_shift.new_tensor(calibration.shift)
    predictor.platt = calibration.platt


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
