"""Precision-recall curves over the margin, and how reliable sigmoid(margin) is as a probability."""

from dataclasses import dataclass

import numpy as np

from docre.analysis.table import Floats, MarginTable

POINTS = 300  # most points of a curve
TIE = 1e-6  # relative difference of margins that may be due to rounding, in float32


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision against recall when one shift is added to all margins and triples with positive margins are predicted.

    precision, recall: at most 300 points of the curve, from few predictions to many. top_k is not applied.
    shift:     the shift at each of these points.
    average_precision: sum_k (R_k - R_{k-1}) P_k over all distinct margins: the area under the whole curve.
    operating_precision, operating_recall: the point of the model's own decisions (top_k applied); the precision is None
               if it predicts nothing.
    """

    precision: tuple[float, ...]
    recall: tuple[float, ...]
    shift: tuple[float, ...]
    average_precision: float
    operating_precision: float | None
    operating_recall: float


@dataclass(frozen=True)
class Reliability:
    """sigmoid(margin) as the probability that a relation holds, over all pairs and relations, in 10 bins.

    count, probability, share: for each bin that is not empty, the number of candidate triples, their mean probability,
           and the share of them that holds.
    error: the expected calibration error (Guo et al. 2017): sum over bins of count / all |probability - share|.
    predicted_error: the same over triples with a positive margin only; None if there is none. It says more than
           `error`, since nearly all candidate triples are easy negatives.
    """

    count: tuple[int, ...]
    probability: tuple[float, ...]
    share: tuple[float, ...]
    error: float
    predicted_error: float | None


@dataclass(frozen=True)
class Cuts:
    """Every way to split a list of margins in two by a threshold. Equal margins are never split.

    taken, correct: [cuts] the number of margins above the threshold, and how many of these belong to gold triples.
    shift:          [cuts] what to add to the margins so that exactly those are positive. The threshold is half way
                    between the neighboring margins.
    """

    taken: np.ndarray
    correct: np.ndarray
    shift: np.ndarray


def cuts(margins: Floats, labels: np.ndarray, dropped: Floats | None = None) -> Cuts:
    """All cuts of margins [n] with labels [n], from none taken to all taken. There is none between margins that differ
    only by rounding (TIE).

    dropped: [n] thresholds below which a margin is no longer taken (-inf: never); none by default.
    """
    gains = np.ones(len(margins), dtype=int)
    if dropped is not None:  # what is dropped is one less at its threshold
        ever = margins > dropped
        later = ever & np.isfinite(dropped)
        margins = np.concatenate([margins[ever], dropped[later]])
        labels = np.concatenate([labels[ever], labels[later]])
        gains = np.repeat([1, -1], [ever.sum(), later.sum()])
    order = np.argsort(-margins, kind="stable")
    values = margins[order].astype(np.float64)
    if not len(values):
        return Cuts(np.zeros(1, dtype=int), np.zeros(1, dtype=int), np.zeros(1))
    taken = np.concatenate([[0], np.cumsum(gains[order])])
    correct = np.concatenate([[0], np.cumsum(gains[order] * labels[order])])
    (steps,) = np.nonzero(-np.diff(values) > TIE * np.abs(values).max())
    ends = np.concatenate([[0], steps + 1, [len(values)]])
    middle = -(values[steps] + values[steps + 1]) / 2
    first, last = (1e-3 * max(1.0, abs(value)) for value in (values[0], values[-1]))
    shift = np.concatenate([[-values[0] - first], middle, [-values[-1] + last]])
    return Cuts(taken[ends], correct[ends], shift)


def precision_recall(table: MarginTable) -> PrecisionRecall:
    """The curve over all candidate pairs and relations. Recall is relative to all gold triples."""
    split = cuts(table.margins.ravel(), table.labels.ravel())
    gold = max(1, table.gold)
    taken, correct, shift = split.taken[1:], split.correct[1:], split.shift[1:]
    precision, recall = correct / np.maximum(1, taken), correct / gold
    area = float((np.diff(recall, prepend=0.0) * precision).sum())
    # points evenly spaced in recall, up to the highest recall of the curve
    points = np.searchsorted(recall, np.linspace(0, recall[-1] if len(recall) else 0, POINTS))
    points = np.unique(points[points < len(recall)])
    true_positives, predicted = int((table.predicted & table.labels).sum()), int(table.predicted.sum())
    return PrecisionRecall(
        precision=tuple(precision[points].tolist()),
        recall=tuple(recall[points].tolist()),
        shift=tuple(shift[points].tolist()),
        average_precision=area,
        operating_precision=true_positives / predicted if predicted else None,
        operating_recall=true_positives / gold,
    )


def reliability(table: MarginTable, bins: int = 10) -> Reliability:
    """How reliable sigmoid(margin) is as the probability that a relation holds."""
    with np.errstate(over="ignore"):
        probability = 1 / (1 + np.exp(-table.margins.ravel().astype(np.float64)))
    labels = table.labels.ravel()
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    sums = np.bincount(bin_of, probability, minlength=bins)
    positives = np.bincount(bin_of, labels, minlength=bins)
    nonempty = counts > 0
    gap = np.abs(sums - positives)
    is_predicted = table.margins.ravel() > 0
    predicted_error = None
    if is_predicted.any():
        weights = np.where(is_predicted, 1.0, 0.0)
        differences = np.bincount(bin_of, weights * (probability - labels), minlength=bins)
        predicted_error = float(np.abs(differences).sum() / is_predicted.sum())
    return Reliability(
        count=tuple(counts[nonempty].tolist()),
        probability=tuple((sums[nonempty] / counts[nonempty]).tolist()),
        share=tuple((positives[nonempty] / counts[nonempty]).tolist()),
        error=float(gap.sum() / max(1, len(labels))),
        predicted_error=predicted_error,
    )
