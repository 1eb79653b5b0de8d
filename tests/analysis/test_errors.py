"""Errors in all and by relation, and the cases that change: counted by hand, and compared with loops."""

from dataclasses import replace

import numpy as np
import pytest

from docre.analysis import cases, count_errors, relation_errors, seen_types, type_consistent
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from tests.analysis.tables import random_table, table_of

#            TP FP         FN, nothing  FN, r2 instead  FP at NA    nothing
MARGINS = [[1, 1, -1], [-1, -1, -1], [-1, -1, 2], [-1, 3, -1], [-1, -1, -1]]
LABELS = [[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]


def entity(name: str, kind: str, *sentences: int) -> Entity:
    return Entity(tuple(Mention(name, s, 0, 1, kind) for s in sentences))


DOCUMENT = Document(
    "doc 0",
    [["Ann", "sings"], ["Bob", "eats"], ["Cork", "is", "wet"]],
    [
        entity("Ann", "PER", 0),
        entity("Bob", "PER", 1),
        entity("Cork", "LOC", 2),
        entity("Dan", "PER", 0, 2),
        entity("Eve", "PER", 1),
        entity("Fay", "PER", 1),
    ],
    [],
)


def test_counts_by_hand():
    found = count_errors(table_of(MARGINS, LABELS))
    assert (found.tp, found.fp, found.fn, found.fn_na, found.fn_rel, found.fp_na) == (1, 3, 3, 2, 1, 1)
    assert found.fn_na_ratio == pytest.approx(2 / 3) and found.fn_rel_ratio == pytest.approx(1 / 3)
    assert found.fp_typed is None


def test_labels_of_no_candidate_pair_are_missed():
    found = count_errors(table_of(MARGINS, LABELS, left_out=2))
    assert (found.fn, found.fn_na, found.tp + found.fn) == (5, 4, table_of(MARGINS, LABELS, left_out=2).gold)


def test_no_errors_no_ratios():
    found = count_errors(table_of([[1, -1]], [[1, 0]]))
    assert (found.fp, found.fn, found.fn_na_ratio, found.fn_rel_ratio) == (0, 0, None, None)


def test_type_consistent_by_hand():
    train = Document("t", [["x", "y"]], [entity("x", "PER", 0), entity("y", "LOC", 0)], [Triple(0, 1, "r1")])
    seen = seen_types([train])
    assert seen == {("PER", "r1", "LOC")}
    table = table_of(MARGINS, LABELS)  # pairs 0→1, 1→2, 2→3, 3→4, 4→5: only 1→2 is PER→LOC
    expected = np.zeros((5, 3), dtype=bool)
    expected[1, 1] = True
    assert np.array_equal(type_consistent(table, [DOCUMENT], seen), expected)
    assert count_errors(table, np.array(LABELS) == 0).fp_typed == 3
    assert count_errors(table, expected).fp_typed == 0


def test_relations_by_hand():
    table = table_of(MARGINS, LABELS)
    other = table_of([[1, -1, -1], [-1, -1, -1], [-1, -1, 2], [-1, -1, 5], [-1, -1, 1]], LABELS)
    consistent = np.ones((5, 3), dtype=bool)
    consistent[3] = False
    rows = {row.relation: row for row in relation_errors(table, consistent, other)}
    assert list(rows) == ["r1", "r2", "r0"]  # by the size of the change in FP, then by errors
    r1 = rows["r1"]
    assert (r1.gold, r1.tp, r1.fp, r1.fn, r1.fp_na, r1.fp_typed) == (1, 0, 2, 1, 1, 1)
    assert (r1.fp_change, r1.fp_na_change, r1.fp_typed_change) == (2, 1, 1)
    assert (rows["r2"].fp, rows["r2"].fp_change, rows["r2"].fp_na_change) == (1, -2, -2)
    alone = relation_errors(table)
    assert [row.relation for row in alone] == ["r1", "r0", "r2"] and alone[0].fp_change is None


@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_a_loop_and_add_up(seed):
    table = random_table(seed, top_k=2)
    counts = dict.fromkeys(("tp", "fp", "fn_na", "fn_rel", "fp_na"), 0)
    for predicted, labels in zip(table.predicted.tolist(), table.labels.tolist(), strict=True):
        for p, y in zip(predicted, labels, strict=True):
            if p and y:
                counts["tp"] += 1
            elif p:
                counts["fp"] += 1
                counts["fp_na"] += not any(labels)
            elif y:
                counts["fn_rel" if any(predicted) else "fn_na"] += 1
    found = count_errors(table)
    assert {name: getattr(found, name) for name in counts} == counts
    rows = relation_errors(table)
    for name in ("tp", "fp", "fn", "fp_na"):
        assert sum(getattr(row, name) for row in rows) == getattr(found, name)


def test_cases_by_hand():
    table = table_of(MARGINS, LABELS)
    other = table_of([[-2, 1, -1], [-1, 4, -1], [-1, -1, 2], [-1, -1, -1], [-1, -1, -1]], LABELS)
    found = cases(table, other, [DOCUMENT])
    assert {kind: count for kind, (count, _) in found.items()} == {"FN→TP": 1, "TP→FN": 1, "FP@NA": 1}
    (fixed,) = found["FN→TP"][1]
    assert (fixed.head, fixed.relation, fixed.tail, fixed.margin, fixed.other_margin) == ("Ann", "r0", "Bob", 1, -2)
    assert fixed.sentences == ("Ann sings", "Bob eats")
    (lost,) = found["TP→FN"][1]
    assert (lost.head, lost.relation, lost.tail, lost.margin, lost.other_margin) == ("Bob", "r1", "Cork", -1, 4)
    (new,) = found["FP@NA"][1]
    assert (new.head, new.tail, new.sentences) == ("Dan", "Eve", ("Ann sings", "Bob eats", "Cork is wet"))


def test_cases_are_the_largest_changes():
    table, other = table_of([[1, 5, 3]], [[1, 1, 1]]), table_of([[-1, -1, -1]], [[1, 1, 1]])
    count, some = cases(table, other, [DOCUMENT], limit=2)["FN→TP"]
    assert count == 3 and [case.relation for case in some] == ["r1", "r2"]


def test_other_pairs_are_refused():
    table = table_of(MARGINS, LABELS)
    for other in (replace(table, relations=("a", "b", "c")), table_of(MARGINS[:4], LABELS[:4])):
        with pytest.raises(DocreError, match="only be compared on the same documents"):
            relation_errors(table, None, other)
