"""Small margin tables: from given margins, and random ones."""

import numpy as np

from docre.analysis import MarginTable
from docre.analysis.table import keep_best


def table_of(margins, labels, thresholds=0.0, document=None, top_k=-1, left_out=0) -> MarginTable:
    """A table with these margins [pairs, R] and labels [pairs, R]; its scores are margins + thresholds."""
    margins, labels = np.array(margins, dtype=np.float32), np.array(labels, dtype=bool)
    pairs, relations = margins.shape
    document = np.zeros(pairs, dtype=int) if document is None else np.array(document)
    scores = margins + np.asarray(thresholds, dtype=np.float32)
    return MarginTable(
        titles=tuple(f"doc {d}" for d in range(int(document.max(initial=0)) + 1)),
        relations=tuple(f"r{r}" for r in range(relations)),
        document=document,
        head=np.arange(pairs) % 5,
        tail=np.arange(pairs) % 5 + 1,
        labels=labels,
        predicted=keep_best(margins > 0, scores, top_k),
        scores=scores,
        margins=margins,
        left_out=left_out,
    )


def random_table(seed: int, pairs: int = 60, relations: int = 6, bias: float = 0.0, top_k: int = -1) -> MarginTable:
    """A random table whose margins correlate with the labels; most pairs have no relation."""
    rng = np.random.default_rng(seed)
    labels = rng.random((pairs, relations)) < np.linspace(0.25, 0.02, relations)
    labels[rng.random(pairs) < 0.5] = False
    margins = np.round(rng.normal(size=labels.shape) + 3 * labels - 2 + bias, 2)  # rounded, so that some are equal
    return table_of(margins, labels, rng.normal(size=(pairs, 1)), rng.integers(0, 4, pairs), top_k)
