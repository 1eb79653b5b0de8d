"""What a trained model is worth apart from where its threshold lies: its test F1 after that is fitted on dev."""

from itertools import chain
from pathlib import Path

from docre.config.loading import read_config
from docre.data.readers import read
from docre.evaluation import evaluate
from docre.inference.calibration import load_calibrated


def f1_with_fitted_threshold(run: Path) -> float | None:
    """The test F1 of a run with the threshold fitted on its dev documents, as by `docre evaluate --dev`; None if it has
    no dev or no test documents, or F1 is not defined."""
    data = read_config(run / "config.yaml").data
    if data.dev is None or data.test is None:
        return None
    model, test = load_calibrated(run, dev=data.dev), read(data.test, data.reader)
    return evaluate(list(chain.from_iterable(model.predict(test, progress=True))), test).f1
