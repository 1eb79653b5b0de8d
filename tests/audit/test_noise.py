"""The rates of annotation errors are found again where they are known, and the probabilities they give are right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.analysis.platt import log_odds
from docre.audit.noise import AnnotationErrors


def simulated(missed: float, false: float, size: int = 400_000, seed: int = 0):
    """p, truth and labels of candidates of which 3% are likely to be true, annotated with these errors."""
    rng = np.random.default_rng(seed)
    p = np.where(rng.random(size) < 0.03, rng.beta(4, 2, size), rng.beta(0.2, 60, size))
    true = rng.random(size) < p
    labels = np.where(true, rng.random(size) >= missed, rng.random(size) < false)
    return p, true, labels


@pytest.mark.parametrize("missed, false", [(0.3, 0.0), (0.6, 0.001), (0.05, 0.002), (0.0, 0.0)])
def test_known_rates_are_found(missed, false):
    p, true, labels = simulated(missed, false)
    errors = AnnotationErrors()
    for part in np.array_split(np.arange(len(p)), 3):  # as fold by fold
        errors.add(p[part], labels[part])
    errors.fit()
    assert errors.missed == pytest.approx(missed, abs=0.03) and errors.false == pytest.approx(false, abs=3e-4)
    found = errors.true(p, labels)
    for labeled in (True, False):  # of those with about the same probability that share is true
        here = (labels == labeled) & (found > 0.2) & (found < 0.8)
        if here.sum() > 500:
            assert true[here].mean() == pytest.approx(found[here].mean(), abs=0.05)
    expected = found[~labels].sum()
    assert errors.missing == pytest.approx(expected, rel=0.05, abs=5)
    assert (true & ~labels).sum() == pytest.approx(expected, abs=0.1 * expected + 100)


def test_the_rates_have_the_highest_likelihood():
    p, _, labels = simulated(0.4, 0.003, 20_000, seed=1)
    errors = AnnotationErrors()
    errors.add(p, labels)
    errors.fit()

    def likelihood(missed: float, false: float) -> float:
        positive = p * (1 - missed) + (1 - p) * false
        return float(np.where(labels, np.log(positive), np.log1p(-positive)).sum())

    best = likelihood(errors.missed, errors.false)
    for missed in (errors.missed - 0.02, errors.missed + 0.02):
        assert likelihood(missed, errors.false) < best + 0.01
    for false in (errors.false * 0.7, errors.false * 1.3):
        assert likelihood(errors.missed, false) < best + 0.01


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0, 0.9), st.floats(0, 0.5), st.booleans())
def test_the_order_of_candidates_stays(p, missed, false, labeled):
    errors = AnnotationErrors()
    errors.missed, errors.false = missed, false
    found = errors.true(np.sort(p), labeled)
    assert ((found >= 0) & (found <= 1)).all() and (np.diff(found) >= -1e-12).all()


@given(st.floats(0, 1))
def test_log_odds_are_finite(p):
    assert np.isfinite(log_odds(np.array(p)))
