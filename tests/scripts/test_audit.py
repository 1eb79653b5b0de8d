"""What scripts.audit measures."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from docre.analysis.table import MarginTable
from docre.audit.judging import Judgment
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from scripts.audit.__main__ import audited
from scripts.audit.damage import WAYS, Damage, damage
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


RELATIONS = [f"P{i}" for i in range(4)]
CELLS = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(RELATIONS)), max_size=12)


def documents_with(cells: list[set[tuple[int, int, str]]]) -> list[Document]:
    entities = [Entity([Mention("ABC"[i], 0, i, i + 1, "PER")]) for i in range(3)]
    return [
        Document(f"d{i}", [["A", "B", "C"]], entities, [Triple(*cell) for cell in sorted(chosen)])
        for i, chosen in enumerate(cells)
    ]


def cells_of(documents: list[Document]) -> set[tuple[int, int, int, str]]:
    return {(i, t.head, t.tail, t.relation) for i, d in enumerate(documents) for t in d.triples or ()}


@given(st.lists(CELLS, min_size=1, max_size=4), st.floats(0, 0.9), st.floats(0, 0.5), st.sampled_from(WAYS))
def test_damage_says_what_is_missing_and_what_is_wrong(cells, share, wrong, by):
    documents = documents_with(cells)
    true = cells_of(documents)
    assume(true)
    try:
        found = damage(documents, share, by, wrong, seed=0)
    except DocreError as error:
        assert "every relation of the documents holds for a pair" in str(error)
        return
    damaged = cells_of(found.documents)
    assert true == (damaged - found.wrong) | found.missing
    assert found.wrong <= damaged and not found.wrong & true and not found.missing & damaged
    assert sum(len(d.triples or ()) for d in found.documents) == len(true) - round(share * len(true))
    assert len(found.wrong) == round(wrong * (len(true) - round(share * len(true))))


def test_a_pair_with_every_relation_cannot_get_another():
    documents = documents_with([{(0, 1, "P0")}])  # P0 is the only relation that there is
    with pytest.raises(DocreError, match="--wrong: d0: every relation of the documents holds for a pair"):
        damage(documents, 0.0, "random", 0.9, seed=0)


@pytest.mark.parametrize(
    ("share", "wrong", "named"), [(1.5, 0.0, "--share"), (0.3, 1.0, "--wrong"), (-0.1, 0, "--share")]
)
def test_a_share_is_below_one(share, wrong, named):
    with pytest.raises(DocreError, match=f"{named}: expected a share from 0 to below 1"):
        damage(documents_with([{(0, 1, "P0")}]), share, "random", wrong, seed=0)


def test_both_rankings_are_judged_by_what_was_damaged():
    """Three documents with one pair each and two relations; the judgments are of groups of one and two documents."""
    relations = ("P0", "P1")
    documents = documents_with([{(0, 1, "P0")}, {(0, 1, "P1")}, set()])
    known = Damage(documents, missing=frozenset({(2, 0, 1, "P1"), (0, 0, 1, "P1")}), wrong=frozenset({(1, 0, 1, "P1")}))
    held_out = np.array([[0.9, 0.3], [0.2, 0.6], [0.5, 0.4]])  # finds neither at once
    both = np.array([[0.9, 0.6], [0.2, 0.3], [0.1, 0.7]])  # finds everything at once

    def judgment(rows: list[int]) -> Judgment:
        count = len(rows)
        labels = np.array([[True, False], [False, True], [False, False]])[rows]
        place, one = np.arange(count), np.ones(count, int)
        margins = np.zeros((count, 2))
        titles = tuple(documents[i].title for i in rows)
        table = MarginTable(titles, relations, place, 0 * one, one, labels, labels, margins, margins)
        return Judgment(table, held_out[rows], both[rows], both[rows] > 0.5, relations)

    class Audited:
        def judgments(self):
            for rows in ([1], [0, 2]):
                yield rows, [documents[i] for i in rows], judgment(rows)

    found, suggestions = audited(Audited(), known)
    wrong_first = [s.document for s in suggestions if s.kind == "wrong"]
    assert wrong_first == [1, 0]
    assert found["audit"]["missing"]["average_precision"] == found["audit"]["wrong"]["average_precision"] == 1
    # of the unlabeled triples the models alone put the missing ones at the second and third of four places
    assert found["held_out"]["missing"]["average_precision"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["held_out"]["wrong"]["average_precision"] == 1
    for kind, right in (("missing", 2), ("wrong", 1)):
        bins = found["audit"][kind]["bins"]
        of_kind = [s.probability for s in suggestions if s.kind == kind]
        assert sum(b["triples"] for b in bins) == len(of_kind)
        assert sum(b["triples"] * b["right"] for b in bins) == pytest.approx(right)
        assert sum(b["triples"] * b["confidence"] for b in bins) == pytest.approx(sum(of_kind))
        assert found["audit"][kind]["expected"] == pytest.approx(sum(of_kind))
