"""What a trained model is worth apart from where its threshold lies: its test F1 after that is fitted on dev."""

from collections.abc import Sequence
from itertools import chain

from docre.data.readers import read
from docre.documents import Document
from docre.evaluation import evaluate
from docre.inference.calibration import fit_threshold
from docre.inference.scorer import PairScorer


def f1_with_fitted_threshold(predictor: PairScorer, test: Sequence[Document]) -> float | None:
    """The F1 on test documents of a model whose threshold is fitted on the dev documents of its config and stays so, as
    by `docre evaluate --dev`; None if there are no dev documents."""
    data = predictor.config.data
    if data.dev is None:
        return None
    fit_threshold(predictor, read(data.dev, data.reader), progress=True)
    return evaluate(list(chain.from_iterable(predictor.predict(test, progress=True))), test).f1
