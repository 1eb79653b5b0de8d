"""Comparisons over seeds: by hand, and by simulation: where models do not differ, 5% of the tests say that they do."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from docre.errors import DocreError
from docre.evaluation.scores import Scores
from docre.evaluation.seeds import compare_seeds, holm, mean_score, seeds_needed, welch
from docre.evaluation.seeds_table import compare_rows, latex, markdown


def scored(gold: np.ndarray, predicted: np.ndarray, correct: np.ndarray) -> Scores:
    """Scores with these counts for each document."""
    counts = np.zeros((len(gold) + 1, 6, 4))
    counts[:-1, 0, :3] = np.stack([gold, predicted, correct], axis=1)
    f1 = 2 * correct.sum() / (gold.sum() + predicted.sum())
    values = dict.fromkeys(Scores.__dataclass_fields__)
    return Scores(**values | {"f1": float(f1), "counts": counts})


def simulate(rng, runs: int, documents: int, over_seeds: float, gap: float = 0.0) -> tuple[list[Scores], list[Scores]]:
    """Runs of two models. Each finds a gold triple with a probability that depends on the document, on what the model
    makes of it, and on the run. `over_seeds`: how much the run matters; `gap`: how much better the first model is."""
    gold = rng.poisson(12, documents) + 1
    difficulty = rng.normal(0, 0.8, documents)
    models = []
    for model in range(2):
        own = difficulty + rng.normal(0, 0.3, documents)
        made = []
        for _ in range(runs):
            logit = 0.4 + own + rng.normal(0, over_seeds) + rng.normal(0, 0.2, documents) + gap * (1 - model)
            correct = rng.binomial(gold, 1 / (1 + np.exp(-logit)))
            made.append(scored(gold, correct + rng.poisson(4, documents), correct))
        models.append(made)
    return models[0], models[1]


@pytest.mark.parametrize(("runs", "over_seeds"), [(2, 0.1), (3, 0.05), (3, 0.2), (5, 0.1), (1, 0.0)])
def test_false_positives_are_as_many_as_they_should_be(runs, over_seeds):
    """At most 5%, up to chance (4 standard deviations); and not so few that nothing would ever be found."""
    rng, trials = np.random.default_rng(runs), 500
    found = sum(compare_seeds(*simulate(rng, runs, 100, over_seeds), samples=150).p_value < 0.05 for _ in range(trials))
    assert 0.005 <= found / trials <= 0.05 + 4 * sqrt(0.05 * 0.95 / trials)


def test_a_test_that_ignores_seeds_finds_too_many():
    """The simulation would show it."""
    rng, trials, found = np.random.default_rng(0), 200, 0
    for _ in range(trials):
        first, second = simulate(rng, 1, 100, 0.2)
        found += compare_seeds(first, second, samples=150).p_value < 0.05
    assert found / trials > 0.15


def test_differences_are_found_and_intervals_hold_them():
    rng, trials, covered, found = np.random.default_rng(1), 200, 0, 0
    truth = np.mean(
        [np.subtract(*(mean_score(m).mean for m in simulate(rng, 5, 2000, 0.1, gap=0.3))) for _ in range(20)]
    )
    for _ in range(trials):
        result = compare_seeds(*simulate(rng, 5, 100, 0.1, gap=0.3), samples=150)
        covered += result.low <= truth <= result.high
        found += result.p_value < 0.05
    assert covered / trials >= 0.95 - 4 * sqrt(0.05 * 0.95 / trials) and found / trials > 0.6


def test_by_hand():
    """With documents that are all alike, V_doc is 0, and the test is Welch's."""
    gold = np.full(10, 10)
    first = [scored(gold, gold, np.full(10, c)) for c in (6, 7, 8)]
    second = [scored(gold, gold, np.full(10, c)) for c in (4, 5)]
    result = compare_seeds(first, second)
    expected = stats.ttest_ind([0.6, 0.7, 0.8], [0.4, 0.5], equal_var=False)
    assert result.value == pytest.approx(0.25) and result.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (result.low, result.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert result.documents_only < 1e-12 and result.seeds_only == pytest.approx(sqrt(0.01 / 3 + 0.005 / 2))
    assert mean_score(first).std == pytest.approx(0.1) and mean_score(first[:1]).std is None
    with pytest.raises(DocreError, match="ign_f1 is not defined"):
        compare_seeds(first, second, "ign_f1")
    with pytest.raises(DocreError, match="samples: expected at least 10, got 1"):
        compare_seeds(first, second, samples=1)
    with pytest.raises(DocreError, match="the same gold data"):
        compare_seeds(first, [scored(gold + 1, gold, gold)])
    assert compare_seeds(first[:1], first[:1]).p_value == 1


def test_the_number_of_seeds():
    """The textbook's two samples (Cohen 1988, table 2.4.1): 17 each for d = 1, 64 for d = 0.5, 6 for d = 2."""
    assert [seeds_needed(spread, 0.0) for spread in (0.005, 0.01, 0.0025)] == [17, 64, 6]
    assert seeds_needed(0.001, 1.0) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm(p_values):
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    assert adjusted[int(np.argmin(p_values))] == pytest.approx(min(1, len(p_values) * min(p_values)))
    assert [adjusted[i] for i in np.argsort(p_values)] == sorted(adjusted)


def test_the_best_of_many_equal_models_is_not_found_better():
    """Where the scores chose with which model the others are compared, all pairs count as comparisons."""
    rng, trials, found = np.random.default_rng(3), 60, 0
    for _ in range(trials):
        runs = [run for model in simulate(rng, 20, 60, 0.3) for run in model]
        groups = {f"model {i}": runs[5 * i : 5 * i + 5] for i in range(8)}
        rows = compare_rows(groups, samples=60)
        assert {row.comparisons for row in rows} == {28}
        found += any(row.significant for row in rows)
    assert found / trials <= 0.05 + 3 * sqrt(0.05 * 0.95 / trials)
    assert {row.comparisons for row in compare_rows(groups, "model 0", samples=10)} == {7}
    assert holm([0.01, 0.04], 6) == pytest.approx([0.06, 0.2])


def test_welch_of_nothing():
    assert welch(0.0, [(0.0, 5)]) == (0.0, 0.0, 1.0)
    for unknown in ([(0.0, 5)], [(1e-17, 5)], [(0.1, 0)]):
        assert welch(0.4, unknown) == (-1.0, 1.0, 1.0)


def test_the_best_f1_and_the_best_ign_f1_are_bold():
    """Of different models; a mark of significance is at F1 alone, and a model without Ign-F1 does not take part."""
    gold = np.full(40, 10)

    def runs(correct: tuple[int, ...], ign_f1: float | None) -> list[Scores]:
        return [replace(scored(gold, gold, np.full(40, c)), ign_f1=ign_f1) for c in correct]

    groups = {"a": runs((8, 9, 8), 0.5), "b": runs((4, 5, 5), 0.6), "c": runs((4, 4, 5), None)}
    a, b, c = (line.split(" & ") for line in latex(compare_rows(groups)).splitlines()[4:7])
    assert a[1].startswith("$\\mathbf{83.33") and a[2].startswith("$50.00")
    assert b[1].startswith("$46.67") and b[1].endswith("^\\dagger$") and c[1].endswith("^\\dagger$")
    assert b[2] == "$\\mathbf{60.00 \\pm 0.00}$ \\\\" and c[2] == "- \\\\"
    a, b, c = (line.split(" | ") for line in markdown(compare_rows(groups)).splitlines()[2:])
    assert [x[2].startswith("**") for x in (a, b, c)] == [True, False, False]
    assert [x[3].startswith("**") for x in (a, b, c)] == [False, True, False]
    assert [x[-1].endswith("\\* |") for x in (a, b, c)] == [False, True, True]
    without = {name: runs((4, 5), None) for name in groups}
    assert markdown(compare_rows(without)).count("**") == 2
