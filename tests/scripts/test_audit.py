"""What scripts.audit measures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.audit.ranking import quality


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=140))
def test_quality_is_that_of_a_loop(candidates):
    order = sorted(range(len(candidates)), key=lambda i: (-candidates[i][0], i))
    hits = [candidates[i][1] for i in order]
    total = sum(hits)
    found = quality(np.array([s for s, _ in candidates], float), np.array([r for _, r in candidates]))
    first = hits[:100]
    assert found["at_100"] == (pytest.approx(sum(first) / len(first)) if first else None)
    assert found["at_500"] == (pytest.approx(total / len(hits)) if hits else None)  # as there are not 500 candidates
    assert found["right"] == total
    if total:
        precisions = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits)) if hits[k]]
        assert found["average_precision"] == pytest.approx(np.mean(precisions))
        assert found["at_all"] == pytest.approx(sum(hits[:total]) / total)
    else:
        assert found["average_precision"] is None
