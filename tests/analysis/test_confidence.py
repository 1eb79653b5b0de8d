"""The confidence of triples of plain text: it is fitted well, and what says how reliable it is is right."""

import json

import numpy as np
import pytest

from docre.analysis import Calibration
from docre.analysis.calibration import load_calibration
from docre.analysis.confidence import EndToEnd, fit_end_to_end, score_log_odds
from docre.analysis.curves import reliability_bins
from docre.analysis.platt import Platt
from docre.errors import DocreError


def sample(count: int, seed: int = 0):
    """Features z, m, e of triples, and which are right, with known probabilities."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 3)) * [2.0, 3.0, 1.0] + [1.0, 4.0, 0.5]
    true = EndToEnd(0.8, 0.3, 0.5, -1.5, "t")
    probability = np.array([true.probability(*row) for row in features])
    return features, probability, rng.random(count) < probability, true


def test_known_weights_are_found():
    features, probability, right, true = sample(20000)
    found = fit_end_to_end(features, right, "t")
    assert found[:4] == pytest.approx(true[:4], abs=0.08) and found.tagger == "t"
    guess = np.array([found.probability(*row) for row in features])
    assert np.abs(guess - probability).max() < 0.03


def test_what_is_given_as_sure_is_right_as_often():
    """--min-confidence 0.8: at least about 80% of what is given is right, on triples that were not fitted on."""
    features, _, right, _ = sample(700)
    found = fit_end_to_end(features, right, "t")
    features, _, right, _ = sample(20000, seed=1)
    guess = np.array([found.probability(*row) for row in features])
    assert right[guess >= 0.8].mean() > 0.8
    _, error = reliability_bins(guess, right)
    assert error < 0.05


def test_a_score_that_is_always_the_same_has_no_weight():
    features, _, right, _ = sample(300)
    features[:, 1] = 0
    found = fit_end_to_end(features, right, "t")
    assert found.mentions == 0 and found.relation > 0.3


def test_a_score_that_misleads_has_no_weight():
    features, _, right, _ = sample(3000)
    features[:, 1] = -features[:, 1]
    assert fit_end_to_end(features, right, "t").mentions == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("right", [[True], [False], [True] * 30, [False] * 30])
def test_few_triples_or_one_answer_only(right):
    found = fit_end_to_end(np.ones((len(right), 3)), np.array(right), "t")
    assert np.isfinite(found[:4]).all() and 0 < found.probability(1, 1, 1) < 1


def test_unknown_scores_say_nothing():
    assert score_log_odds(None) == score_log_odds(0.5) == 0
    assert score_log_odds(1.0) == pytest.approx(np.log(999)) == -score_log_odds(0.0)


def test_bins_by_hand():
    confidence = np.array([0.05, 0.07, 0.95, 1.0, 0.5])
    bins, error = reliability_bins(confidence, np.array([False, True, True, True, False]))
    assert [b[:3] for b in bins] == [(0.0, 0.1, 2), (0.5, 0.6, 1), (0.9, 1.0, 2)]
    assert [b.right for b in bins] == [0.5, 0, 1] and bins[0].confidence == pytest.approx(0.06)
    assert error == pytest.approx((2 * 0.44 + 0.5 + 2 * 0.025) / 5)
    assert reliability_bins(confidence[:0], np.array([], dtype=bool)) == ([], 0.0)


def test_it_is_saved_and_checked(tmp_path):
    calibration = Calibration(("a",), (0.0,), "x", "w", Platt(1.0, 2.0), EndToEnd(1.0, 0.5, 0.25, -1.0, "joint"))
    calibration.save(tmp_path / "c.json")
    assert load_calibration(tmp_path / "c.json") == calibration
    values = json.loads((tmp_path / "c.json").read_text())
    for wrong in ("x", [1, 2, 3, 4], [1, 2, 3, None, "t"], [1, 2, 3, "t"], [1, 2, 3, 4, 5], [1, 2, 3, 4, "t", 6]):
        (tmp_path / "c.json").write_text(json.dumps(values | {"end_to_end": wrong}))
        with pytest.raises(DocreError, match="'end_to_end'"):
            load_calibration(tmp_path / "c.json")
