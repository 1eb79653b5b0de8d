"""Takes labels away from documents, and replaces some, so that it is known what an audit should find."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from docre.analysis.table import Bools, MarginTable
from docre.documents import Document, Triple

Cell = tuple[int, int, int, str]  # document, head, tail, relation


@dataclass(frozen=True)
class Damage:
    """Damaged documents. missing: the true labels that are not there any more; wrong: labels that are not true."""

    documents: list[Document]
    missing: frozenset[Cell]
    wrong: frozenset[Cell]


def damage(documents: Sequence[Document], removed: float, replaced: float, seed: int, rarity: float = 0.0) -> Damage:
    """Remove a share of the labels, then replace the relation of a share of those that are left.

    rarity: labels are removed with weights 1 / frequency of the relation^rarity: all alike with 0.

    A replaced label gets another relation, drawn by frequency, that does not hold for its pair; its own one is missing
    then. If every relation holds, as where there is only one, it moves to another pair with entities of the same types;
    if there is none, it stays. Duplicate labels are removed first.
    """
    rng = np.random.default_rng(seed)
    cells = sorted(cells_of(documents))
    frequency = Counter(relation for *_, relation in cells)
    weights = np.array([frequency[cell[3]] ** -rarity for cell in cells])
    taken_away = rng.choice(len(cells), round(removed * len(cells)), replace=False, p=weights / weights.sum())
    missing = {cells[i] for i in taken_away}
    left = [cell for cell in cells if cell not in missing]
    new_cells: dict[Cell, Cell] = {}
    taken, names = set(cells), sorted(frequency)
    drawn = np.array([frequency[name] for name in names]) / max(1, len(cells))
    for i in rng.choice(len(left), round(replaced * len(left)), replace=False):
        new = old = left[i]
        if all((*old[:3], name) in taken for name in names):
            others = [cell for cell in moved(old, documents[old[0]]) if cell not in taken]
            new = others[rng.integers(len(others))] if others else old
        else:
            while new in taken:
                new = (*old[:3], names[rng.choice(len(names), p=drawn)])
        if new != old:
            new_cells[old] = new
            taken.add(new)
    damaged = []
    for i, document in enumerate(documents):
        kept: dict[Cell, Triple] = {}
        for t in document.triples or ():
            cell = (i, t.head, t.tail, t.relation)
            if cell not in missing:
                _, head, tail, relation = new_cells.get(cell, cell)
                kept[cell] = replace(t, head=head, tail=tail, relation=relation)
        damaged.append(replace(document, triples=list(kept.values())))
    return Damage(damaged, frozenset(missing | new_cells.keys()), frozenset(new_cells.values()))


def cells_of(documents: Sequence[Document]) -> set[Cell]:
    """The labels of documents."""
    return {(i, t.head, t.tail, t.relation) for i, document in enumerate(documents) for t in document.triples or ()}


def moved(cell: Cell, document: Document) -> list[Cell]:
    """The same label for every pair of different entities that have the types of its own."""
    position, head, tail, relation = cell
    heads, tails = (
        [e for e, entity in enumerate(document.entities) if entity.type == document.entities[own].type]
        for own in (head, tail)
    )
    return [(position, h, t, relation) for h in heads for t in tails if h != t]


def marked(table: MarginTable, cells: frozenset[Cell], positions: Sequence[int]) -> Bools:
    """[pairs, R] True for the cells of a table that are in `cells`; `positions` are those of its documents."""
    place = {position: i for i, position in enumerate(positions)}
    row = {key: n for n, key in enumerate(zip(table.document.tolist(), table.head, table.tail, strict=True))}
    column = {relation: r for r, relation in enumerate(table.relations)}
    found = np.zeros(table.labels.shape, dtype=bool)
    for document, head, tail, relation in cells:
        judged = document in place and (place[document], head, tail) in row and relation in column
        if judged:
            found[row[place[document], head, tail], column[relation]] = True
    return found
