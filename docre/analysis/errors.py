"""The errors of a model, in all and by relation, and how they differ from those of another model."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from docre.analysis.table import Bools, MarginTable
from docre.documents import Document

TypedRelation = tuple[str, str, str]  # (head type, relation, tail type)


@dataclass(frozen=True)
class ErrorCounts:
    """Numbers of triples by kind of error, as in Table 4 of the ATGL paper.

    tp, fp, fn: true positives, false positives and false negatives; tp + fn is the number of gold triples.
    fn_na:      false negatives of pairs for which nothing is predicted.
    fn_rel:     false negatives of pairs for which other relations are predicted.
    fn_na_ratio, fn_rel_ratio: these as shares of fn; None if fn is 0.
    fp_na:      false positives of pairs that have no relation at all (FP@NA).
    fp_typed:   false positives whose head and tail types occur with the relation in the training set; None without a
                training set.
    """

    tp: int
    fp: int
    fn: int
    fn_na: int
    fn_rel: int
    fn_na_ratio: float | None
    fn_rel_ratio: float | None
    fp_na: int
    fp_typed: int | None


@dataclass(frozen=True)
class RelationErrors:
    """The errors of one relation, and their difference from those of another model (Table 5 of the ATGL paper).

    gold, tp, fp, fn, fp_na, fp_typed: as in ErrorCounts.
    fp_change, fp_na_change, fp_typed_change: this model's count minus the other model's; None without another model.
    """

    relation: str
    gold: int
    tp: int
    fp: int
    fn: int
    fp_na: int
    fp_typed: int | None
    fp_change: int | None = None
    fp_na_change: int | None = None
    fp_typed_change: int | None = None


@dataclass(frozen=True)
class Case:
    """A triple on which two models differ (Table 7 of the ATGL paper).

    head, tail:   names of the entities.
    margin, other_margin: the margins of this model and of the other one.
    sentences:    the sentences that mention the head or the tail.
    """

    title: str
    head: str
    relation: str
    tail: str
    margin: float
    other_margin: float
    sentences: tuple[str, ...]


def seen_types(documents: Iterable[Document]) -> set[TypedRelation]:
    """The (head type, relation, tail type) of every label."""
    return {
        (document.entities[t.head].type, t.relation, document.entities[t.tail].type)
        for document in documents
        for t in document.triples or ()
    }


def type_consistent(table: MarginTable, documents: Sequence[Document], seen: Collection[TypedRelation]) -> Bools:
    """[pairs, R] True where the types of the pair are in `seen` with the relation. `documents`: those of the table."""
    kinds: dict[tuple[str, str], int] = {}  # numbers of the distinct (head type, tail type)
    pairs = zip(table.document.tolist(), table.head.tolist(), table.tail.tolist(), strict=True)
    kind = [
        kinds.setdefault((documents[d].entities[h].type, documents[d].entities[t].type), len(kinds))
        for d, h, t in pairs
    ]
    known = np.array([[(h, r, t) in seen for r in table.relations] for h, t in kinds], dtype=bool)
    return known.reshape(len(kinds), len(table.relations))[np.array(kind, dtype=np.intp)]


def count_errors(table: MarginTable, consistent: Bools | None = None) -> ErrorCounts:
    """The errors of all relations together. consistent: what `type_consistent` returns, for fp_typed."""
    wrong, missed = table.predicted & ~table.labels, table.labels & ~table.predicted
    nothing_predicted = ~table.predicted.any(axis=1)
    fn = int(missed.sum()) + table.left_out
    fn_na = int(missed[nothing_predicted].sum()) + table.left_out
    return ErrorCounts(
        tp=int((table.predicted & table.labels).sum()),
        fp=int(wrong.sum()),
        fn=fn,
        fn_na=fn_na,
        fn_rel=fn - fn_na,
        fn_na_ratio=fn_na / fn if fn else None,
        fn_rel_ratio=(fn - fn_na) / fn if fn else None,
        fp_na=int(wrong[~table.related].sum()),
        fp_typed=None if consistent is None else int((wrong & consistent).sum()),
    )


def relation_errors(
    table: MarginTable, consistent: Bools | None = None, other: MarginTable | None = None
) -> list[RelationErrors]:
    """The errors of each relation that occurs in the labels or the predictions.

    Sorted by the largest change in false positives, or without another model by the number of errors. Gold triples that
    no candidate pair has are not counted here. Raises DocreError if the two tables are not of the same pairs.
    """
    if other is not None:
        table.check_same_pairs(other)
    counts = _by_relation(table, consistent)
    others = None if other is None else _by_relation(other, consistent)
    rows = []
    for r, relation in enumerate(table.relations):
        own = {name: int(column[r]) for name, column in counts.items()}
        changes = {}
        if others is not None:
            changes = {f"{name}_change": own[name] - int(others[name][r]) for name in own if name.startswith("fp")}
        if own["gold"] or own["fp"] or any(changes.values()):
            own.setdefault("fp_typed", None)  # type: ignore[arg-type]
            rows.append(RelationErrors(relation, **own, **changes))
    return sorted(rows, key=lambda row: (-abs(row.fp_change or 0), -(row.fp + row.fn), row.relation))


def _by_relation(table: MarginTable, consistent: Bools | None) -> dict[str, np.ndarray]:
    wrong = table.predicted & ~table.labels
    counts = {
        "gold": table.labels.sum(axis=0),
        "tp": (table.predicted & table.labels).sum(axis=0),
        "fp": wrong.sum(axis=0),
        "fn": (table.labels & ~table.predicted).sum(axis=0),
        "fp_na": wrong[~table.related].sum(axis=0),
    }
    return counts if consistent is None else counts | {"fp_typed": (wrong & consistent).sum(axis=0)}


def cases(
    table: MarginTable, other: MarginTable, documents: Sequence[Document], limit: int = 20
) -> dict[str, tuple[int, list[Case]]]:
    """What changes from the other model to this one: by kind the number, and the `limit` largest changes of margin.

    "FN→TP": gold triples that only this model predicts. "TP→FN": gold triples that only the other model predicts.
    "FP@NA": triples that only this model predicts, of pairs without any relation. Raises DocreError if the two tables
    are not of the same pairs.
    """
    table.check_same_pairs(other)
    masks = {
        "FN→TP": table.labels & table.predicted & ~other.predicted,
        "TP→FN": table.labels & ~table.predicted & other.predicted,
        "FP@NA": table.predicted & ~other.predicted & ~table.related[:, None],
    }
    changed = {}
    for kind, mask in masks.items():
        pair, relation = mask.nonzero()
        change = np.abs(table.margins[pair, relation] - other.margins[pair, relation])
        largest = np.argsort(-change, kind="stable")[:limit]
        chosen = zip(pair[largest].tolist(), relation[largest].tolist(), strict=True)
        changed[kind] = (len(pair), [_case(table, other, documents, p, r) for p, r in chosen])
    return changed


def _case(table: MarginTable, other: MarginTable, documents: Sequence[Document], pair: int, relation: int) -> Case:
    document = documents[table.document[pair]]
    head, tail = document.entities[table.head[pair]], document.entities[table.tail[pair]]
    mentioned = sorted({mention.sentence for mention in (*head.mentions, *tail.mentions)})
    return Case(
        title=document.title,
        head=head.name,
        relation=table.relations[relation],
        tail=tail.name,
        margin=float(table.margins[pair, relation]),
        other_margin=float(other.margins[pair, relation]),
        sentences=tuple(" ".join(document.sentences[s]) for s in mentioned),
    )
