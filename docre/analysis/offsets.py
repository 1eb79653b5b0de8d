"""Where the threshold lies between the logits of the relations that hold and of those that do not."""

from dataclasses import dataclass

import numpy as np

from docre.analysis.table import Bools, Floats, MarginTable

LOW, HIGH, BINS = -0.5, 1.5, 80  # of the histogram


@dataclass(frozen=True)
class Offsets:
    """Statistics of the Relative Offset (RO) over the pairs that have a relation.

    pairs:    the number of pairs with a relation for which RO is defined.
    inverted: the number of pairs with a relation that are left out because the mean of their positive logits is not
              above the mean of the negative ones.
    mean, std, quartiles: of RO; std is the population's, which the ATGL paper calls Std(RO). None without pairs.
    outside:  the share of the pairs whose RO is below 0 or above 1. None without pairs.
    edges, density: histogram of RO on [-0.5, 1.5], as a density over all `pairs`; values outside are in no bin.
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
    """How often the order positive > threshold > negative is violated, as shares of the pairs that have a relation.

    "Positive" and "negative" are the logits of the relations that hold for the pair, and of the others.

    pairs:   the number of pairs that have a relation.
    ovr:     pairs with any violation: `missed` or `excess`.
    missed:  pairs with a positive at or below its threshold.
    excess:  pairs with a negative above its threshold.
    ranking: pairs with a negative at or above a positive, which no common threshold could separate.
    The shares are None if no pair has a relation.
    """

    pairs: int
    ovr: float | None
    missed: float | None
    excess: float | None
    ranking: float | None


def relative_offsets(table: MarginTable) -> tuple[Floats, Bools]:
    """RO of each pair that has a relation (ATGL paper, eq. 8), and whether it is defined: both [related pairs].

        RO = (t - mean_n s_n) / (mean_p s_p - mean_n s_n)

    with the threshold t, the scores s_p of the relations that hold and s_n of those that do not. It is 0 if the
    threshold is as low as the mean negative, and 1 if it is as high as the mean positive. In margins d = s - t:

        RO = -mean_n d_n / (mean_p d_p - mean_n d_n)

    This is the same if all relations share a threshold, and uses the own threshold of each relation if they do not. RO
    is undefined (NaN) if every relation holds, or if mean_p d_p <= mean_n d_n.
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
    """Statistics of the Relative Offset of a model."""
    ratios, defined = relative_offsets(table)
    values = ratios[defined]
    count, edges = np.histogram(values, bins=BINS, range=(LOW, HIGH))
    density = count / max(1, len(values)) / (edges[1] - edges[0])
    any_pairs = len(values) > 0
    q1, q2, q3 = np.percentile(values, [25, 50, 75]).tolist() if any_pairs else (0.0, 0.0, 0.0)
    has_both = ~table.labels[table.related].all(axis=1)
    return Offsets(
        pairs=len(values),
        inverted=int((has_both & ~defined).sum()),
        mean=float(values.mean()) if any_pairs else None,
        std=float(values.std()) if any_pairs else None,
        quartiles=(q1, q2, q3) if any_pairs else None,
        outside=float(((values < 0) | (values > 1)).mean()) if any_pairs else None,
        edges=tuple(edges.tolist()),
        density=tuple(density.tolist()),
    )


def ordering_violations(table: MarginTable) -> OrderingViolations:
    """The Ordering Violation Rate, named after eq. 9 of the ATGL paper. The definition is docre's own and may deviate:

        OVR = mean over pairs with a relation of [not (d_p > 0 >= d_n for all p that hold and n that do not)]

    that is, the share of pairs whose logits are not in the order positive > threshold > negative. Its parts are given
    too. It is about logits, so top_k is not applied.
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
