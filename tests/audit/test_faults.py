"""The probabilities that probes give are right where the truth is known, and equal a slow reference."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.audit.faults import BINS, Faults, rising_ratio

COUNTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=9)


def simulated(faulty: int, sound: int, probes: int, seed: int = 0):
    """Scores, truth and probes of candidates; probes are faults like the others."""
    rng = np.random.default_rng(seed)
    score = np.concatenate([rng.normal(1, 2, faulty + probes), rng.normal(-6, 2, sound)])
    truth, probe = np.arange(len(score)) < faulty + probes, np.arange(len(score)) < probes
    return score, truth, probe


@pytest.mark.parametrize("faulty, sound", [(6_000, 2_000_000), (500, 12_000), (0, 50_000)])
def test_probabilities_are_right_where_the_truth_is_known(faulty, sound):
    score, truth, probe = simulated(faulty, sound, probes=600)
    faults = Faults()
    for part in np.array_split(np.random.default_rng(1).permutation(len(score)), 3):  # as document by document
        faults.add(score[part], probe[part])
    faults.fit()
    assert faults.number == pytest.approx(faulty, rel=0.3, abs=30)
    stated, rest = faults.probability(score), ~probe
    assert stated[rest].sum() == pytest.approx(faulty, rel=0.3, abs=30)
    for low, high in pairwise((0.1, 0.3, 0.5, 0.7, 0.9)):
        here = rest & (stated >= low) & (stated < high)
        if here.sum() > 300:
            assert truth[here].mean() == pytest.approx(stated[here].mean(), abs=0.15)
    assert faults.found(0.5) == pytest.approx((stated[probe] >= 0.5).mean())


@given(st.lists(st.tuples(st.floats(-30, 30), st.booleans()), max_size=60))
def test_probabilities_rise_with_the_score(candidates):
    score, probe = np.array([s for s, _ in candidates]), np.array([p for _, p in candidates], dtype=bool)
    faults = Faults()
    faults.add(score, probe)
    stated = faults.fit().probability(np.sort(score))
    assert ((stated >= 0) & (stated <= 1)).all() and (np.diff(stated) >= -1e-12).all()
    others = int((~probe).sum())
    assert 0 <= faults.number <= others * max(1, len(score))
    if not probe.any():
        assert faults.number == 0 and not stated.any() and faults.found(0.5) == 0


@given(COUNTS)
def test_the_rising_ratio_is_the_isotonic_regression(counts):
    """Its value is max over a <= i of min over b >= i of the ratio of the sums over a..b (Barlow et al. 1972, 1.9)."""
    numerators, denominators = (np.array(column, dtype=float) for column in zip(*counts, strict=True))
    found = rising_ratio(numerators, denominators)
    assert len(found) == len(counts)

    def ratio(a: int, b: int) -> float:
        n, d = numerators[a : b + 1].sum(), denominators[a : b + 1].sum()
        return n / d if d else np.inf

    for i, (n, d) in enumerate(counts):
        if d:
            assert found[i] == pytest.approx(max(min(ratio(a, b) for b in range(i, len(counts))) for a in range(i + 1)))
        elif n:
            assert found[i] >= found[i - 1] if i else True


def test_the_least_bound_is_the_number():
    """50 probes at the top with 30 others, 50 further down with 1,000: 30 / 0.5 = 60 is less than 1,030 / 1."""
    faults = Faults()
    score = np.repeat([5.0, 5.0, -5.0, -5.0], [50, 30, 50, 1000])
    faults.add(score, np.repeat([True, False, True, False], [50, 30, 50, 1000]))
    faults.fit()
    assert faults.number == pytest.approx(60)
    assert faults.probability(np.array([5.0])) == pytest.approx(1.0)  # min(1, 60 * 0.5 / 30)
    assert faults.probability(np.array([-5.0])) == pytest.approx(60 * 0.5 / 1000)
    assert (faults.found(0.5), faults.found(0.01)) == (0.5, 1.0)
    assert len(faults.probabilities) == BINS
