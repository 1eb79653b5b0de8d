"""Where thresholds sit between the logits of relations that hold and of those that do not."""

from dataclasses import dataclass

import numpy as np

from docre.analysis.table import Bools, Floats, MarginTable

LOW, HIGH, BINS = -0.5, 1.5, 80  # of the density


@dataclass(frozen=True)
class Offsets:
    """The Relative Offset of the pairs that have a relation, in numbers.

    pairs:    pairs with a relation for which it is defined.
    inverted: pairs with a relation left out because their positive logits are, in the mean, not above the negative
              ones: no place between them exists.
    mean, std, quartiles: of the offset; std is that of the population, Std(RO) of the ATGL paper. None without pairs.
    outside:  share of the pairs with an offset below 0 or above 1.
    edges, density: its histogram on [-0.5, 1.5], as a density over all `pairs` (what lies beyond is not in it).
    """

    pairs: int
    inverted: int
    mean: float | None
    std: float | None
    quartiles: tuple[float, float, float] | None
    outside: float | None
    edges: tuple[float, ...]
    density: tuple[float, ...]


@dataclass(frozen=True)
class OrderingViolations:
    """How often the ordering positive > threshold > negative is broken, as shares of the pairs with a relation.

    ovr:     pairs where it is broken at all: some positive at or below its threshold, or some negative above.
    missed:  pairs with some positive at or below its threshold.
    excess:  pairs with some negative above its threshold.
    ranking: pairs with some negative at or above some positive: no threshold could part them.
    All are None where no pair has a relation.
    """

    pairs: int
    ovr: float | None
    missed: float | None
    excess: float | None
    ranking: float | None


def relative_offsets(table: MarginTable) -> tuple[Floats, Bools]:
    """RO of each pair with a relation (ATGL paper, eq. 8), [related pairs], and whether it is defined.

        RO = (t - mean_n s_n) / (mean_p s_p - mean_n s_n)

    with the threshold t, the scores s_p of the relations that hold and s_n of those that do not: 0 where the threshold
    is as low as the negatives, 1 where it is as high as the positives. In margins d = s - t it is

        RO = -mean_n d_n / (mean_p d_p - mean_n d_n)

    which is the same where all relations share a threshold, and measures each logit from its own threshold where they
    do not. Not defined where every relation holds, or where mean_p d_p <= mean_n d_n.
    """
    labels = table.labels[table.related]
    margins = table.margins[table.related].astype(np.float64)
    positives = labels.sum(axis=1)
    negatives = labels.shape[1] - positives
    high = margins.sum(axis=1, where=labels) / positives
    low = margins.sum(axis=1, where=~labels) / np.maximum(negatives, 1)
    defined = (negatives > 0) & (high > low)
    return np.divide(-low, high - low, out=np.full(len(low), np.nan), where=defined), defined


def offsets(table: MarginTable) -> Offsets:
    """Mean, spread and density of the Relative Offset."""
    every, defined = relative_offsets(table)
    values = every[defined]
    count, edges = np.histogram(values, bins=BINS, range=(LOW, HIGH))
    density = count / max(1, len(values)) / (edges[1] - edges[0])
    some = len(values) > 0
    q1, q2, q3 = np.percentile(values, [25, 50, 75]).tolist() if some else (0.0, 0.0, 0.0)
    has_both = ~table.labels[table.related].all(axis=1)
    return Offsets(
        pairs=len(values),
        inverted=int((has_both & ~defined).sum()),
        mean=float(values.mean()) if some else None,
        std=float(values.std()) if some else None,
        quartiles=(q1, q2, q3) if some else None,
        outside=float(((values < 0) | (values > 1)).mean()) if some else None,
        edges=tuple(edges.tolist()),
        density=tuple(density.tolist()),
    )


def ordering_violations(table: MarginTable) -> OrderingViolations:
    """The Ordering Violation Rate.

    The ATGL paper's eq. 9 was not at hand when this was written; our reading is

        OVR = mean over pairs with a relation of [not (d_p > 0 >= d_n for all p that hold and n that do not)]

    that is, the share of pairs whose logits are not ordered positive > threshold > negative. It is given with its
    parts. top_k plays no role: this is about logits.
    """
    labels, margins = table.labels[table.related], table.margins[table.related]
    lowest = margins.min(axis=1, where=labels, initial=np.inf)
    highest = margins.max(axis=1, where=~labels, initial=-np.inf)
    broken = {
        "ovr": (lowest <= 0) | (highest > 0),
        "missed": lowest <= 0,
        "excess": highest > 0,
        "ranking": highest >= lowest,
    }
    shares = {name: float(pairs.mean()) if len(pairs) else None for name, pairs in broken.items()}
    return OrderingViolations(pairs=len(labels), **shares)
