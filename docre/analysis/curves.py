"""Precision-recall curves over the margin, and how well margins serve as probabilities."""

from dataclasses import dataclass

import numpy as np

from docre.analysis.table import Floats, MarginTable

POINTS = 300  # of a curve, at most


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision against recall as one shift of all margins moves.

    precision, recall: the curve, from few predictions to many, at most 300 points. top_k is not applied.
    shift:     what is added to all margins at each of these points, so that what is positive is predicted.
    average_precision: sum_k (R_k - R_{k-1}) P_k over all distinct margins, the area under the whole curve.
    operating_precision, operating_recall: where the model decides by itself (top_k included); precision is None where
               it predicts nothing.
    """

    precision: tuple[float, ...]
    recall: tuple[float, ...]
    shift: tuple[float, ...]
    average_precision: float
    operating_precision: float | None
    operating_recall: float


@dataclass(frozen=True)
class Reliability:
    """sigmoid(margin) as the probability that the relation holds, over all pairs and relations, in 10 bins.

    count, probability, share: of each bin that is not empty: its triples, their mean probability, and the share of
           them that holds.
    error: the expected calibration error, sum_bins count / all |probability - share| (Guo et al. 2017), over all.
    predicted_error: the same over the triples with a positive margin only; None where there is none. It is the more
           telling one: nearly all triples are easy negatives.
    """

    count: tuple[int, ...]
    probability: tuple[float, ...]
    share: tuple[float, ...]
    error: float
    predicted_error: float | None


@dataclass(frozen=True)
class Cuts:
    """All ways to cut a list of margins, highest first, in two; a cut never parts equal margins.

    taken, correct: [cuts] how many are above the cut, and how many of these hold.
    shift:          [cuts] what to add so that exactly these are positive: the cut lies half way between neighbors.
    """

    taken: np.ndarray
    correct: np.ndarray
    shift: np.ndarray


def cuts(margins: Floats, labels: np.ndarray) -> Cuts:
    """The cuts of margins [n] with labels [n], from none taken to all."""
    order = np.argsort(-margins, kind="stable")
    values = margins[order].astype(np.float64)
    if not len(values):
        return Cuts(np.zeros(1, dtype=int), np.zeros(1, dtype=int), np.zeros(1))
    correct = np.concatenate([[0], np.cumsum(labels[order])])
    (steps,) = np.nonzero(np.diff(values))
    taken = np.concatenate([[0], steps + 1, [len(values)]])
    middle = -(values[steps] + values[steps + 1]) / 2
    shift = np.concatenate([[-values[0]], middle, [-values[-1] + 1e-3 * max(1.0, abs(values[-1]))]])
    return Cuts(taken, correct[taken], shift)


def precision_recall(table: MarginTable) -> PrecisionRecall:
    """The curve over all pairs and relations. Recall counts all gold triples."""
    found = cuts(table.margins.ravel(), table.labels.ravel())
    gold = max(1, table.gold)
    taken, correct, shift = found.taken[1:], found.correct[1:], found.shift[1:]
    precision, recall = correct / np.maximum(1, taken), correct / gold
    area = float((np.diff(recall, prepend=0.0) * precision).sum())
    # evenly over recall, where the curve has its shape; the last point is where all is found
    wanted = np.searchsorted(recall, np.linspace(0, recall[-1] if len(recall) else 0, POINTS))
    some = np.unique(wanted[wanted < len(recall)])
    right, predicted = int((table.predicted & table.labels).sum()), int(table.predicted.sum())
    return PrecisionRecall(
        precision=tuple(precision[some].tolist()),
        recall=tuple(recall[some].tolist()),
        shift=tuple(shift[some].tolist()),
        average_precision=area,
        operating_precision=right / predicted if predicted else None,
        operating_recall=right / gold,
    )


def reliability(table: MarginTable, bins: int = 10) -> Reliability:
    """How well sigmoid(margin) serves as a probability."""
    with np.errstate(over="ignore"):
        probability = 1 / (1 + np.exp(-table.margins.ravel().astype(np.float64)))
    labels = table.labels.ravel()
    place = np.minimum((probability * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    mean = np.bincount(place, probability, minlength=bins)
    share = np.bincount(place, labels, minlength=bins)
    some = counts > 0
    gap = np.abs(mean - share)
    above = table.margins.ravel() > 0
    predicted_error = None
    if above.any():
        weights = np.where(above, 1.0, 0.0)
        off = np.bincount(place, weights * (probability - labels), minlength=bins)
        predicted_error = float(np.abs(off).sum() / above.sum())
    return Reliability(
        count=tuple(counts[some].tolist()),
        probability=tuple((mean[some] / counts[some]).tolist()),
        share=tuple((share[some] / counts[some]).tolist()),
        error=float(gap.sum() / max(1, len(labels))),
        predicted_error=predicted_error,
    )
