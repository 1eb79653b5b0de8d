"""Takes labels away from documents, and replaces some, so that it is known what an audit should find."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from docre.documents import Document, Triple
from docre.errors import DocreError

Cell = tuple[int, int, int, str]  # document, head, tail, relation
WAYS = ("random", "frequency")


@dataclass(frozen=True)
class Damage:
    """Damaged documents. missing: the true labels that are not there any more; wrong: labels that are not true."""

    documents: list[Document]
    missing: frozenset[Cell]
    wrong: frozenset[Cell]


def damage(documents: Sequence[Document], share: float, by: str, wrong: float, seed: int) -> Damage:
    """Remove a share of the labels, then replace the relation of a share of those that are left.

    by: "random": every label is removed with the same probability; "frequency": labels of rare relations are more
        likely to be removed, with weights 1 / sqrt(frequency of the relation), since annotators miss rare ones first.

    A replaced label gets another relation, drawn by frequency, that does not hold for its pair; its own one is missing
    then.
    Duplicate labels are removed first. Raises DocreError for shares that are not below 1, and where every relation
    holds for a pair whose label is to be replaced.
    """
    for name, value in (("share", share), ("wrong", wrong)):
        if not 0 <= value < 1:
            raise DocreError(f"--{name}: expected a share from 0 to below 1, got {value:g}")
    rng = np.random.default_rng(seed)
    cells = sorted({(i, t.head, t.tail, t.relation) for i, d in enumerate(documents) for t in d.triples or ()})
    frequency = Counter(relation for *_, relation in cells)
    weights = np.array([1.0 if by == "random" else frequency[c[3]] ** -0.5 for c in cells])
    removed = rng.choice(len(cells), round(share * len(cells)), replace=False, p=weights / weights.sum())
    missing = {cells[i] for i in removed}
    left = [cell for cell in cells if cell not in missing]
    replaced: dict[Cell, Cell] = {}
    taken, names = set(cells), sorted(frequency)
    drawn = np.array([frequency[name] for name in names]) / len(cells)
    for i in rng.choice(len(left), round(wrong * len(left)), replace=False):
        new = old = left[i]
        if all((*old[:3], name) in taken for name in names):
            raise DocreError(f"--wrong: {documents[old[0]].title}: every relation of the documents holds for a pair")
        while new in taken:
            new = (*old[:3], names[rng.choice(len(names), p=drawn)])
        replaced[old] = new
        taken.add(new)
    damaged = []
    for i, document in enumerate(documents):
        kept: dict[Cell, Triple] = {}
        for t in document.triples or ():
            cell = (i, t.head, t.tail, t.relation)
            if cell not in missing:
                kept[cell] = replace(t, relation=replaced[cell][3]) if cell in replaced else t
        damaged.append(replace(document, triples=list(kept.values())))
    return Damage(damaged, frozenset(missing | replaced.keys()), frozenset(replaced.values()))
