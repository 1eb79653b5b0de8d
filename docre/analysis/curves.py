"""Precision-recall curves over the margin, and how reliable sigmoid(margin) is as a probability."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from docre.analysis.platt import sigmoid
from docre.analysis.table import Bools, Floats, MarginTable

POINTS = 300  # most points of a curve


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
    shift:          [cuts] what to add to the margins, in their precision, so that exactly those are positive. The
                    threshold is half way between the neighboring margins.
    """

    taken: np.ndarray
    correct: np.ndarray
    shift: np.ndarray


def cuts(margins: Floats, labels: np.ndarray, dropped: Floats | None = None) -> Cuts:
    """All cuts of margins [n] with labels [n], from none taken to all taken.

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
    values = margins[order]
    if not len(values):
        return Cuts(np.zeros(1, dtype=int), np.zeros(1, dtype=int), np.zeros(1))
    taken = np.concatenate([[0], np.cumsum(gains[order])])
    correct = np.concatenate([[0], np.cumsum(gains[order] * labels[order])])
    (steps,) = np.nonzero(np.diff(values))
    ends = np.concatenate([[0], steps + 1, [len(values)]])
    above, below = values[steps], values[steps + 1]
    middle = (above / 2 + below / 2).astype(values.dtype)
    middle = np.where(middle < above, middle, below)  # of neighboring numbers the middle is one of them
    highest, lowest = float(values[0]), float(values[-1])
    first, last = (1e-3 * max(1.0, abs(value)) for value in (highest, lowest))
    shift = np.concatenate([[-highest - first], -middle.astype(np.float64), [-lowest + last]])
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
    margins, labels = table.margins.ravel().astype(np.float64), table.labels.ravel()
    probability, predicted = sigmoid(margins), margins > 0
    found, error = reliability_bins(probability, labels, bins)
    of_predicted = reliability_bins(probability[predicted], labels[predicted], bins)[1] if predicted.any() else None
    return Reliability(
        count=tuple(bin_.triples for bin_ in found),
        probability=tuple(bin_.confidence for bin_ in found),
        share=tuple(bin_.right for bin_ in found),
        error=error,
        predicted_error=of_predicted,
    )


class Bin(NamedTuple):
    """Triples whose confidence is in [low, high): their number, mean confidence, and the share that is right."""

    low: float
    high: float
    triples: int
    confidence: float
    right: float


def reliability_bins(confidence: Floats, right: Bools, bins: int = 10) -> tuple[list[Bin], float]:
    """The bins that are not empty, and the expected calibration error: the mean over triples of the distance between
    the confidence and the share of its bin."""
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    counts, positives = np.bincount(bin_of, minlength=bins), np.bincount(bin_of, right, minlength=bins)
    sums = np.bincount(bin_of, confidence, minlength=bins)
    found = [
        Bin(b / bins, (b + 1) / bins, int(counts[b]), float(sums[b] / counts[b]), float(positives[b] / counts[b]))
        for b in np.flatnonzero(counts).tolist()
    ]
    return found, float(np.abs(sums - positives).sum()) / max(1, len(confidence))
