"""Damage to labels: what is said to be missing and wrong is."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from docre.analysis.table import MarginTable
from docre.audit.damage import damage, marked
from docre.documents import Document, Entity, Mention, Triple

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


@given(st.lists(CELLS, min_size=1, max_size=4), st.floats(0, 0.9), st.floats(0, 0.5), st.sampled_from((0.0, 0.5)))
def test_damage_says_what_is_missing_and_what_is_wrong(cells, share, wrong, rarity):
    documents = documents_with(cells)
    true = cells_of(documents)
    assume(true)
    found = damage(documents, share, wrong, 0, rarity)
    damaged = cells_of(found.documents)
    assert true == (damaged - found.wrong) | found.missing
    assert found.wrong <= damaged and not found.wrong & true and not found.missing & damaged
    assert sum(len(d.triples or ()) for d in found.documents) == len(true) - round(share * len(true))
    assert len(found.wrong) == round(wrong * (len(true) - round(share * len(true))))  # here another pair is always free


def test_where_there_is_one_relation_a_label_moves_to_another_pair():
    names = [("A", "Drug"), ("B", "Drug"), ("C", "Disease")]
    entities = [Entity([Mention(name, 0, i, i + 1, type_)]) for i, (name, type_) in enumerate(names)]
    document = Document("d", [["A", "B", "C"]], entities, [Triple(0, 2, "CID")])
    found = damage([document], 0.0, 0.9, seed=0)
    assert (found.missing, found.wrong) == ({(0, 0, 2, "CID")}, {(0, 1, 2, "CID")})
    assert [(t.head, t.tail) for t in found.documents[0].triples] == [(1, 2)]
    both = damage([Document("d", [["A", "B", "C"]], entities, [Triple(0, 2, "CID"), Triple(1, 2, "CID")])], 0.0, 0.9, 0)
    assert not both.missing and not both.wrong and len(both.documents[0].triples) == 2  # no pair is left


def test_rare_relations_are_removed_more_often():
    cells = [{(0, 1, "P0")} for _ in range(4500)] + [{(0, 1, "P1")} for _ in range(500)]
    for rarity, low, high in ((0.0, 0.07, 0.13), (0.5, 0.18, 0.28)):
        missing = damage(documents_with(cells), 0.2, 0.0, 0, rarity).missing
        assert low < sum(cell[3] == "P1" for cell in missing) / len(missing) < high


def test_cells_are_marked():
    document, head, tail = np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([1, 0, 1])
    nothing = np.zeros((3, 2), dtype=bool)
    table = MarginTable(("a", "b"), ("P0", "P1"), document, head, tail, nothing, nothing, nothing * 1.0, nothing * 1.0)
    cells = frozenset({(7, 1, 0, "P1"), (4, 0, 1, "P0"), (5, 0, 1, "P0"), (4, 0, 2, "P0"), (7, 0, 1, "P9")})
    assert np.argwhere(marked(table, cells, [7, 4])).tolist() == [[1, 1], [2, 0]]
