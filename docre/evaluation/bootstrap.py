"""Confidence intervals of scores, and a test of two submissions: bootstrap over documents.

(Efron & Tibshirani 1993; Koehn 2004 for the paired test.) A sample draws D documents from the D labeled ones, with
replacement, and is scored like the whole set. Every score follows from counts that are summed over documents, so all
samples are computed by one matrix product: [samples, D] draws times [D, counts]. Predictions for unknown titles belong
to no document and are counted in every sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docre.errors import DocreError
from docre.evaluation.scores import SLICES, Scores, measures

MOST_SAMPLES = 100_000
CHUNK = 2**22  # draws held in memory at once


@dataclass(frozen=True)
class Interval:
    """A 95% percentile interval: the 2.5th and the 97.5th percentile of the scores of the samples."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """How much higher the first of two submissions scores than the second.

    value, low, high: the difference, and its 95% interval over the samples.
    p_value: two-sided, min(1, 2 (1 + c) / (n + 1)): of the n samples, c have a difference ≤ 0 or a difference ≥ 0,
             whichever are fewer. It is small where the sign hardly depends on which documents were drawn.
    """

    value: float
    low: float
    high: float
    p_value: float


def intervals(scores: Scores, samples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """95% intervals of p, r, f1, ign_f1 and of the F1 of each slice ("intra_f1", "long_tail_f1", …).

    An undefined score gets no interval. Samples in which a score is undefined, because they have no gold triple of its
    slice, are left out. Raises DocreError for fewer than 1 or more than 100,000 samples.
    """
    sampled = _scores_by_name(resample(scores.counts, samples, seed), scores)
    finite = {name: values[np.isfinite(values)] for name, values in sampled.items()}
    return {name: Interval(*_percentile_interval(values)) for name, values in finite.items() if len(values)}


def compare(scores: Scores, other: Scores, samples: int = 1000, seed: int = 0) -> dict[str, Difference]:
    """The paired bootstrap test of two submissions for the same gold data: both are scored on the same samples.

    Returns the difference `scores` - `other` of every score that is defined for both, by the names that `intervals`
    uses. Raises DocreError for a wrong number of samples, as `intervals` does, and for scores on different gold data.
    """
    if scores.counts.shape != other.counts.shape or (scores.counts[..., 0] != other.counts[..., 0]).any():
        raise DocreError("two submissions can only be compared on the same gold data")
    sums = resample(np.stack([scores.counts, other.counts], axis=1), samples, seed)
    sampled, sampled_other = _scores_by_name(sums[:, 0], scores), _scores_by_name(sums[:, 1], other)
    whole, whole_other = (
        _scores_by_name(scores.counts.sum(axis=0), scores),
        _scores_by_name(other.counts.sum(axis=0), other),
    )
    differences = {}
    for name in sampled:
        if name in sampled_other:
            values = sampled[name] - sampled_other[name]
            values = values[np.isfinite(values)]
            if len(values):
                value = float(whole[name] - whole_other[name])
                differences[name] = Difference(value, *_percentile_interval(values), _p_value(values))
    return differences


def no_difference(scores: Scores, other: Scores) -> str | None:
    """A sentence that says why two submissions cannot differ; None if they can."""
    if not (scores.all.predicted or other.all.predicted):
        return "neither submission has a prediction to score, so there is no difference to test"
    if np.array_equal(scores.counts, other.counts):
        return "both submissions have the same counts in every document, so there is no difference to test"
    return None


def resample(counts: NDArray[np.float64], samples: int, seed: int) -> NDArray[np.float64]:
    """Counts [D + 1, …] summed over the documents of each sample: [samples, …]. The last row is in every sample."""
    if not 1 <= samples <= MOST_SAMPLES:
        raise DocreError(f"bootstrap: expected 1 to {MOST_SAMPLES} samples, got {samples}")
    flat = counts.reshape(len(counts), -1)
    sums = np.concatenate([drawn @ flat[:-1] for drawn in draws(len(counts) - 1, samples, seed)]) + flat[-1]
    return sums.reshape(samples, *counts.shape[1:])


def draws(documents: int, samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each sample contains each document: float arrays [samples of the chunk, documents], chunk by chunk."""
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // documents)
    for start in range(0, samples, step):
        size = min(step, samples - start)
        drawn = generator.integers(documents, size=(size, documents)) + documents * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * documents).reshape(size, documents).astype(np.float64)


def _scores_by_name(sums: NDArray[np.float64], scores: Scores) -> dict[str, NDArray[np.float64]]:
    """The scores [...] from summed counts [..., len(SLICES), 4], by name; only those that are defined in `scores`."""
    values = {name: value for name, value in measures(sums[..., 0, :]).items() if name != "ign_p"}
    for i, name in enumerate(SLICES[1:], start=1):
        values[f"{name}_f1"] = measures(sums[..., i, :])["f1"]
    if scores.all.p is None:
        del values["p"]
    if scores.ign_f1 is None:
        del values["ign_f1"]
    if scores.evidence is None:
        del values["evidence_f1"]
    return values


def _percentile_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _p_value(differences: NDArray[np.float64]) -> float:
    smaller_tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, 2 * (1 + int(smaller_tail)) / (len(differences) + 1))
