"""Relative Offset and Ordering Violation Rate: computed by hand, and compared with loops over raw logits."""

import numpy as np
import pytest

from docre.analysis import offsets, ordering_violations
from docre.analysis.offsets import relative_offsets
from tests.analysis.tables import random_table, table_of


def test_relative_offset_by_hand():
    # scores 4 | 1, -1, 0, threshold 1: (1 - 0) / (4 - 0) = 0.25; then 6, 2 | 1, -1, threshold 3: 3 / 4
    scores = np.array([[4.0, 1, -1, 0], [6, 2, 1, -1], [9, 9, 9, 9]])
    thresholds = np.array([[1.0], [3], [0]])
    labels = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    table = table_of(scores - thresholds, labels, thresholds)
    found = offsets(table)
    assert relative_offsets(table)[0].tolist() == pytest.approx([0.25, 0.75])
    assert (found.pairs, found.inverted, found.outside) == (2, 0, 0.0)
    assert found.mean == pytest.approx(0.5) and found.std == pytest.approx(0.25)
    assert found.quartiles == pytest.approx((0.375, 0.5, 0.625))


def test_relative_offset_with_a_threshold_for_each_relation():
    # margins 2 | -1, -3: -(-2) / (2 + 2) = 0.5, whatever the thresholds of the single relations
    table = table_of([[2, -1, -3]], [[1, 0, 0]], [[5, 0, -7]])
    assert relative_offsets(table)[0].tolist() == [0.5]


def test_offset_is_not_defined_without_negatives_or_order():
    table = table_of([[1, 2], [-3, 1], [1, -1]], [[1, 1], [1, 0], [1, 0]])
    found = offsets(table)
    assert (found.pairs, found.inverted) == (1, 1)  # the first pair has no negative and is neither
    assert found.mean == 0.5 and found.std == 0.0


def test_no_pair_with_a_relation():
    table = table_of([[1, 2]], [[0, 0]])
    assert offsets(table).std is None and offsets(table).quartiles is None and sum(offsets(table).density) == 0
    assert ordering_violations(table).ovr is None and ordering_violations(table).pairs == 0


def test_density_integrates_to_the_share_inside():
    table = table_of([[1, -1], [-0.5, -2], [-2, -2.1]], [[1, 0], [1, 0], [1, 0]])
    found = offsets(table)  # 0.5, 2 / 1.5 and 2.1 / 0.1 = 21, which is beyond the histogram
    width = found.edges[1] - found.edges[0]
    assert sum(found.density) * width == pytest.approx(2 / 3)
    assert found.outside == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_offsets_equal_a_loop_over_logits(seed):
    table = random_table(seed)
    thresholds = table.scores[:, 0] - table.margins[:, 0]
    expected = []
    for scores, t, labels in zip(table.scores.tolist(), thresholds.tolist(), table.labels.tolist(), strict=True):
        high = [s for s, y in zip(scores, labels, strict=True) if y]
        low = [s for s, y in zip(scores, labels, strict=True) if not y]
        if high and low and sum(high) / len(high) > sum(low) / len(low):
            mean = sum(low) / len(low)
            expected.append((t - mean) / (sum(high) / len(high) - mean))
    values, defined = relative_offsets(table)
    assert len(expected) > 10
    assert values[defined].tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert offsets(table).std == pytest.approx(np.std(expected), rel=1e-3)


def test_ordering_violations_by_hand():
    margins = [[2, -1, -1], [-1, -2, -3], [2, 1, -1], [0.5, 1, -1], [3, 3, 3], [0, -1, -1]]
    labels = [[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]]
    found = ordering_violations(table_of(margins, labels))
    assert found.pairs == 5
    assert found.ovr == 4 / 5
    assert found.missed == 2 / 5  # the second, and the last, at the threshold: not predicted
    assert found.excess == 2 / 5
    assert found.ranking == 1 / 5


@pytest.mark.parametrize("seed", range(5))
def test_ordering_violations_equal_a_loop(seed):
    table = random_table(seed)
    broken, ranking, pairs = 0, 0, 0
    for margins, labels in zip(table.margins.tolist(), table.labels.tolist(), strict=True):
        high = [d for d, y in zip(margins, labels, strict=True) if y]
        low = [d for d, y in zip(margins, labels, strict=True) if not y]
        if high:
            pairs += 1
            broken += not (all(d > 0 for d in high) and all(d <= 0 for d in low))
            ranking += any(p <= n for p in high for n in low)
    found = ordering_violations(table)
    assert (found.pairs, found.ovr, found.ranking) == (pairs, broken / pairs, ranking / pairs)
