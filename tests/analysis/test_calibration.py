"""Curves, reliability and calibration: computed by hand, compared with brute force, and properties of a calibration."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docre.analysis import calibrate, load_calibration, precision_recall, reliability
from docre.analysis.calibration import displaced, relation_shifts
from docre.analysis.curves import cuts
from docre.analysis.table import keep_best
from docre.commands.calibrate import rates
from docre.errors import DocreError
from tests.analysis.tables import random_table, table_of


def test_precision_recall_by_hand():
    table = table_of([[3, 2], [1, -1]], [[1, 0], [1, 0]], left_out=2)
    curve = precision_recall(table)  # taking 1, 2, 3, 4: precision 1, 1/2, 2/3, 1/2; recall of 4 gold 1, 1, 2, 2
    points = dict(zip(curve.recall, curve.precision, strict=True))
    assert points[0.25] == 1 and points[0.5] == pytest.approx(2 / 3)
    assert curve.average_precision == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)
    assert curve.operating_precision == pytest.approx(2 / 3) and curve.operating_recall == 0.5


@pytest.mark.parametrize("seed", range(4))
def test_each_point_of_the_curve_is_what_its_shift_gives(seed):
    table = random_table(seed)
    curve = precision_recall(table)
    for precision, recall, shift in zip(curve.precision, curve.recall, curve.shift, strict=True):
        assert rates(table.shifted(shift))[:2] == pytest.approx((precision, recall))
    assert list(curve.recall) == sorted(curve.recall) and curve.recall[-1] == 1


def test_reliability_by_hand():
    # sigmoid(0) = 0.5, sigmoid(log 3) = 0.75, twice; sigmoid(-log 3) = 0.25
    log3 = float(np.log(3))
    found = reliability(table_of([[0, log3], [log3, -log3]], [[1, 1], [0, 0]]))
    assert found.count == (1, 1, 2)
    assert found.probability == pytest.approx((0.25, 0.5, 0.75)) and found.share == pytest.approx((0, 1, 0.5))
    assert found.error == pytest.approx((0.25 + 0.5 + 2 * 0.25) / 4)
    assert found.predicted_error == pytest.approx(0.25)


def test_reliability_of_what_is_calibrated_is_near_zero():
    rng = np.random.default_rng(0)
    margins = rng.normal(size=(20000, 2))
    found = reliability(table_of(margins, rng.random(margins.shape) < 1 / (1 + np.exp(-margins))))
    assert found.error < 0.01 and sum(found.count) == margins.size
    assert reliability(table_of([[-800.0, 800]], [[0, 1]])).error == 0


def brute_force(table, top_k, value):
    """The best `value(precision, recall, F1)` over all common shifts: between any two margins, and beyond them."""
    margins = sorted({float(m) for m in table.margins.ravel()})
    places = [margins[0] - 1, *((a + b) / 2 for a, b in pairwise(margins)), margins[-1] + 1]
    return max(value(*rates(table.shifted(-place, top_k))) for place in places)


@pytest.mark.parametrize("top_k", [-1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_one_shift_is_the_best_of_all(seed, top_k):
    table = random_table(seed, pairs=40, bias=1.0, top_k=top_k)
    found = rates(table.shifted(calibrate(table, top_k=top_k).shift, top_k))
    assert found[2] == pytest.approx(brute_force(table, top_k, lambda p, r, f: f))
    found = rates(table.shifted(calibrate(table, precision=0.6, top_k=top_k).shift, top_k))
    assert found[0] >= 0.6
    assert found[1] == pytest.approx(brute_force(table, top_k, lambda p, r, f: r if p >= 0.6 else -1))
    found = rates(table.shifted(calibrate(table, recall=0.7, top_k=top_k).shift, top_k))
    assert found[1] >= 0.7
    assert found[0] == pytest.approx(brute_force(table, top_k, lambda p, r, f: p if r >= 0.7 else -1), abs=0.05)


@pytest.mark.parametrize("top_k", [1, 2])
@given(seed=st.integers(0, 10**6))
@example(seed=124)  # shifted, two margins differ only by rounding
def test_a_goal_is_reached_by_shifts_for_each_relation_too(top_k, seed):
    table = random_table(seed, pairs=40, bias=1.0, top_k=top_k)
    if not table.gold:
        return
    for goal, place in (({"precision": 0.5}, 0), ({"recall": 0.3}, 1)):
        try:
            found = calibrate(table, **goal, per_relation=True, top_k=top_k)
        except DocreError:
            continue
        assert rates(table.shifted(found.shift, top_k))[place] >= next(iter(goal.values())) - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_cuts_with_top_k_count_what_the_shifted_table_predicts(seed):
    table = random_table(seed, pairs=30)
    scores = np.random.default_rng(seed).permuted(table.scores, axis=1)  # another order than that of the margins
    table = replace(table, scores=scores.astype(np.float32))
    found = cuts(table.margins.ravel(), table.labels.ravel(), displaced(table.margins, table.scores, 2).ravel())
    assert len(found.shift) > 50
    for taken, correct, shift in zip(found.taken, found.correct, found.shift, strict=True):
        predicted = table.shifted(shift, 2).predicted
        assert (predicted.sum(), (predicted & table.labels).sum()) == (taken, correct)


@pytest.mark.parametrize("outlier", [0.0, -100.0, 1e6])
def test_dense_margins_are_told_apart(outlier):
    """Whatever another margin is: 30,001 margins within 2, perfectly ranked."""
    margins = np.append(np.linspace(-1, 1, 30_001), outlier).astype(np.float32)
    table = table_of(margins[:, None], (margins > 0.3)[:, None] & (margins < 2)[:, None])
    assert precision_recall(table).average_precision > (0.999 if outlier > 1 else 1 - 1e-9)
    for goal in ({}, {"precision": 0.99}, {"recall": 0.5}):
        p, r, f = rates(table.shifted(calibrate(table, **goal).shift))
        assert p > 0.999 and r >= 0.5 and (f > 0.999 or "recall" in goal)


def test_neighboring_numbers_are_told_apart():
    """In float32, with nothing between them."""
    one = np.float32(0.7)
    margins = np.array([one, np.nextafter(one, np.float32(0)), np.nextafter(one, np.float32(1))])
    found = cuts(margins, np.array([True, False, False]))
    for taken, shift in zip(found.taken, found.shift, strict=True):
        assert (margins + np.float32(shift) > 0).sum() == taken
    assert found.taken.tolist() == [0, 1, 2, 3]


def test_of_equal_recalls_the_highest_precision_is_chosen():
    table = table_of([[2.0, 1.0]], [[1, 0]])
    assert table.shifted(calibrate(table, precision=0.5).shift).predicted.tolist() == [[True, False]]


@given(st.integers(0, 10**6), st.floats(-2, 2))
def test_calibration_never_lowers_f1_where_it_was_chosen(seed, bias):
    table = random_table(seed, pairs=25, relations=3, bias=bias)
    if not table.gold:
        return
    before = rates(table)[2]
    common = rates(table.shifted(calibrate(table).shift))[2]
    by_relation = rates(table.shifted(calibrate(table, per_relation=True, shrinkage=0).shift))[2]
    assert before <= common + 1e-9 and common <= by_relation + 1e-9


def test_shifts_by_relation_are_the_best_of_all_combinations():
    rng = np.random.default_rng(3)
    labels = rng.random((12, 3)) < 0.4
    table = table_of(rng.normal(size=labels.shape) + labels, labels)
    options = [[9.0, *(-np.sort(table.margins[:, r]) - 1e-4)] for r in range(3)]
    best = max(rates(table.shifted(np.array([a, b, c])))[2] for a in options[0] for b in options[1] for c in options[2])
    found = relation_shifts(table, keep_best(labels | True, table.scores, -1), 0.0)
    assert rates(table.shifted(found))[2] == pytest.approx(best)


def test_shrinkage_goes_from_own_to_common():
    table = random_table(1, pairs=200)
    common = calibrate(table).shift
    far = np.array(calibrate(table, per_relation=True, shrinkage=1e9).shift)
    near = np.array(calibrate(table, per_relation=True, shrinkage=1.0).shift)
    assert far == pytest.approx(common, abs=1e-5)
    assert np.abs(near - common).max() > 0.1


def test_tuned_is_not_below_untuned_on_other_data():
    """On data that the shift was not chosen on, a model that predicts too much gains, and a well-calibrated one loses
    almost nothing."""
    gain, loss = [], []
    for seed in range(10):
        for bias, found in ((1.5, gain), (0.5, loss)):
            dev, test = (random_table(100 * half + seed, pairs=1500, bias=bias) for half in (1, 2))
            for per_relation in (False, True):
                tuned = test.shifted(calibrate(dev, per_relation=per_relation).shift)
                found.append(rates(tuned)[2] - rates(test)[2])
    assert min(gain) > 0.1 and np.mean(loss) > -0.001 and min(loss) > -0.02


def test_what_cannot_be_reached():
    table = table_of([[1, 2]], [[1, 0]], left_out=1)
    with pytest.raises(DocreError, match=r"a precision of 0.9 cannot be reached: the highest is 0.5000"):
        calibrate(table, precision=0.9)
    with pytest.raises(DocreError, match=r"a recall of 0.9 cannot be reached: the highest is 0.5000"):
        calibrate(table, recall=0.9)
    with pytest.raises(DocreError, match="nothing can be calibrated"):
        calibrate(table_of([[1, 2]], [[0, 0]]))


def test_saved_and_loaded(tmp_path):
    found = calibrate(random_table(0), per_relation=True)
    found.save(tmp_path / "c.json")
    assert load_calibration(tmp_path / "c.json") == found
    with pytest.raises(DocreError, match="other relations"):
        found.check_relations(("a",), "c.json")
    for weights in ("a", None):
        with pytest.raises(DocreError, match="weights that it does not name"):
            found.check_weights(weights, "c.json")
    for text in (
        "[]",
        "{}",
        '{"relations": ["a"], "shift": [], "purpose": ""}',
        '{"relations": ["a"], "shift": ["1"]}',
    ):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(DocreError, match=r"bad.json: expected a calibration"):
            load_calibration(tmp_path / "bad.json")


def test_keep_best_equals_the_losses():
    torch = pytest.importorskip("torch")
    from docre.losses.base import keep_best as of_losses

    rng = np.random.default_rng(0)
    scores, chosen = rng.normal(size=(50, 7)).astype(np.float32), rng.random((50, 7)) < 0.5
    for top_k in (-1, 0, 1, 3, 7, 9):
        expected = of_losses(torch.from_numpy(chosen), torch.from_numpy(scores), top_k).numpy()
        assert np.array_equal(keep_best(chosen, scores, top_k), expected)
