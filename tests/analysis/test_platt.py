"""Platt scaling: known probabilities are found again, and predictions have them once a calibration is applied."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import docre
from docre.analysis import calibrate, load_calibration
from docre.analysis.platt import Platt, fit, fit_platt
from docre.commands import calibrate as command
from docre.commands import predict
from docre.data.readers import read
from docre.errors import DocreError
from docre.inference.calibration import apply_calibration
from tests.analysis.tables import random_table, table_of


def test_known_probabilities_are_found():
    rng = np.random.default_rng(0)
    margins = rng.normal(size=20000)
    found = fit(margins, rng.random(20000) < 1 / (1 + np.exp(-(1.5 * margins - 0.7))))
    assert found.slope == pytest.approx(1.5, abs=0.06) and found.intercept == pytest.approx(-0.7, abs=0.06)


def test_by_hand():
    """Two cells at margin 0, one right: targets 2/3 and 1/3, whose mean is 1/2 at any slope; and three at 0."""
    assert fit(np.zeros(2), np.array([True, False])).probability(0) == pytest.approx(0.5)
    found = fit(np.zeros(3), np.array([True, True, False]))  # targets 3/4, 3/4, 1/3
    assert found.probability(0) == pytest.approx((3 / 4 + 3 / 4 + 1 / 3) / 3)


@given(
    st.lists(st.tuples(st.floats(-50, 50, width=32), st.booleans()), min_size=1, max_size=30),
)
@settings(deadline=None)
def test_the_fit_is_finite_and_no_other_is_likelier(cells):
    """Also where the margins separate right from wrong, all are right, or all are equal."""
    margins = np.array([margin for margin, _ in cells])
    labels = np.array([label for _, label in cells])
    right = int(labels.sum())
    target = np.where(labels, (right + 1) / (right + 2), 1 / (len(labels) - right + 2))

    def cost(slope, intercept):
        z = slope * margins + intercept
        return (np.logaddexp(0, z) - target * z).sum()

    found = fit(margins, labels)
    assert np.isfinite(found).all() and 0 <= found.probability(1e6) <= 1
    best = cost(*found)
    for slope, intercept in ((0, 0), (found.slope + 0.1, found.intercept), (found.slope, found.intercept - 0.1)):
        assert best <= cost(slope, intercept) + 1e-6


def test_only_cells_near_the_decision_count():
    """A hundred times as many hopeless cells change nothing."""
    table = random_table(3, pairs=400)
    far = table_of(np.full((40000, 6), -60.0), np.zeros((40000, 6)))
    both = table_of(np.concatenate([table.margins, far.margins]), np.concatenate([table.labels, far.labels]))
    assert fit_platt(both) == pytest.approx(fit_platt(table), abs=1e-6)


def test_reliable_on_other_documents():
    """Of the triples that are predicted with a probability of about p, a share of about p is right."""
    rng = np.random.default_rng(1)

    def table(pairs):
        margins = 3 * rng.normal(size=(pairs, 4)) - 5
        return table_of(margins, rng.random(margins.shape) < 1 / (1 + np.exp(-(0.6 * margins + 0.4))))

    platt = calibrate(table(5000)).platt
    other = table(20000)
    shifted = other.margins + calibrate(table(5000)).shift[0]
    likely = np.vectorize(platt.probability)(shifted) >= 0.8
    share = other.labels[likely].mean()
    assert 0.8 <= share <= 0.95 and likely.sum() > 500


def test_predictions_have_it_with_a_calibration(runs, corpus, tmp_path):
    dev_file = corpus / "dev.json"
    documents = read(dev_file)
    model = docre.load(runs[0], "cpu")
    assert all(0 < p.probability < 1 for doc in model.predict(documents) for p in doc)  # fitted at the end of the run
    model.calibration = None
    assert {p.probability for doc in model.predict(documents) for p in doc} == {None}
    file = tmp_path / "c.json"
    command.main(["--checkpoint", str(runs[0]), "--data", str(dev_file), "--output", str(file)])
    apply_calibration(model, file)
    platt = load_calibration(file).platt
    predictions = [p for doc in model.predict(documents) for p in doc]
    assert predictions
    for p in predictions:
        assert p.probability == pytest.approx(1 / (1 + np.exp(-(platt.slope * p.margin + platt.intercept))))
    lines = tmp_path / "p.jsonl"
    predict.main(
        ["--checkpoint", str(runs[0]), "--input", str(dev_file), "--output", str(lines), "--calibration", str(file)]
    )
    written = list(map(json.loads, lines.read_text().splitlines()))
    assert written and all(0 < p["probability"] < 1 for p in written)


def test_files_without_it_are_read(tmp_path):
    """Those of docre 0.1."""
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"relations": ["a"], "shift": [0.5], "purpose": "x", "weights": "w"}))
    assert load_calibration(file).platt is None
    for wrong in ("x", [1], [1, None], [1, True]):
        file.write_text(json.dumps({"relations": ["a"], "shift": [0.5], "purpose": "x", "platt": wrong}))
        with pytest.raises(DocreError, match="'platt'"):
            load_calibration(file)


def test_extreme_margins():
    assert Platt(2.0, 0.0).probability(1e9) == 1 and Platt(2.0, 0.0).probability(-1e9) == 0
