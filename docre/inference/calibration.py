"""A saved calibration, applied to a model."""

from pathlib import Path

from docre.analysis import load_calibration
from docre.inference.predictor import Predictor


def apply_calibration(predictor: Predictor, path: str | Path, force: bool = False) -> None:
    """Have a model decide as a saved calibration says.

    force: even if it was made for other weights. Raises DocreError where it was and this is not set, and where it is
    not for this model's relations.
    """
    calibration = load_calibration(path)
    calibration.check_relations(predictor.schema.relations, str(path))
    if not force:
        calibration.check_weights(predictor.weights_digest, str(path))
    predictor.loss.margin_shift = predictor.loss.margin_shift.new_tensor(calibration.shift)
