"""Compares models of which each was trained with several seeds, on the same documents.

A difference between two models may come from the seeds that they were trained with, and from the documents that they
were tested on. For the mean scores of n_a and n_b runs

    V = s_a² / n_a + s_b² / n_b + V_doc,    t = (mean_a - mean_b) / sqrt(V)

where s² is the variance of a model's score over its seeds, and V_doc the variance of the difference of the means over
bootstrap samples of documents, in which all runs are scored on the same sampled documents (paired). t has a Student
distribution whose degrees of freedom are those of Welch (1947) and Satterthwaite (1946):

    df = V² / (V_a² / (n_a - 1) + V_b² / (n_b - 1) + V_doc² / (D - 1))

Resampling the runs too, as a bootstrap of two levels does, takes three seeds for the whole population and finds too
many differences: the t distribution accounts for how little three seeds tell. Seeds are not paired, since runs of two
models with one seed have nothing in common after the first steps; where they had, too few differences would be found.
What the models' runs do differently on single documents is in s² and in V_doc, so that the test errs to the safe side.
(tests/evaluation/test_seeds.py has a simulation.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from docre.errors import DocreError
from docre.evaluation.bootstrap import resample
from docre.evaluation.scores import measures

METRICS = ("f1", "ign_f1")
WANTED = 0.005  # a difference of 0.5 F1
LEAST_SAMPLES = 10  # of a bootstrap: fewer tell nothing of a variance
LEVEL, POWER = 0.05, 0.8
MOST_SEEDS = 1000
NOTHING = 1e-12  # a variance that is rounding, as a share of the squared difference


class Scored(Protocol):
    """What is compared of a run: these fields of its Scores. Of `counts`, only the slice of all triples is used."""

    @property
    def f1(self) -> float: ...

    @property
    def ign_f1(self) -> float | None: ...

    @property
    def counts(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Mean:
    """The mean of a score over seeds; its sample standard deviation is None for a single one."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def std(self) -> float | None:
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True)
class SeedDifference:
    """How much higher the mean score of one model is than that of another.

    value, low, high: the difference and its 95% interval.
    p_value:   two-sided.
    seeds_only, documents_only: the standard deviations of the difference over seeds (None if a model has only one) and
               over documents.
    needed:    the seeds that each model would need so that a difference of WANTED is found with a probability of POWER,
               on these documents; None if nothing tells how much seeds matter, or no number is enough.
    """

    value: float
    low: float
    high: float
    p_value: float
    seeds_only: float | None
    documents_only: float
    needed: int | None


def mean_score(runs: Sequence[Scored], metric: str = "f1") -> Mean | None:
    """The mean of a score ("f1" or "ign_f1") over runs; None if it is not defined."""
    values = [getattr(scores, metric) for scores in runs]
    return None if None in values else Mean(tuple(values))


def compare_seeds(
    first: Sequence[Scored], second: Sequence[Scored], metric: str = "f1", samples: int = 2000, seed: int = 0
) -> SeedDifference:
    """Compare the runs of two models (see above). With a single run of each, seeds are not accounted for.

    Raises DocreError if they were scored on different gold data, the score is not defined, or there are too few samples
    for a variance.
    """
    if samples < LEAST_SAMPLES:
        raise DocreError(f"samples: expected at least {LEAST_SAMPLES}, got {samples}")
    a, b = mean_score(first, metric), mean_score(second, metric)
    if a is None or b is None:
        raise DocreError(f"{metric} is not defined for all runs")
    counts = np.stack([scores.counts[:, 0] for scores in (*first, *second)], axis=1)  # [D + 1, runs, 4]
    if not (counts[..., 0] == counts[:, :1, 0]).all():
        raise DocreError("runs can only be compared on the same gold data")
    scored = measures(resample(counts, samples, seed))[metric]  # [samples, runs]
    difference = scored[:, : len(first)].mean(axis=1) - scored[:, len(first) :].mean(axis=1)
    v_documents = float(np.var(difference[np.isfinite(difference)], ddof=1))
    parts = [(v_documents, len(counts) - 2)]
    parts += [(m.std**2 / len(m.values), len(m.values) - 1) for m in (a, b) if m.std is not None]
    low, high, p_value = welch(a.mean - b.mean, parts)
    known = a.std is not None and b.std is not None
    over_seeds = sqrt(sum(v for v, _ in parts[1:])) if known else None
    spread = sqrt(np.mean([m.std**2 for m in (a, b) if m.std is not None])) if known else None
    needed = None if spread is None else seeds_needed(spread, v_documents)
    return SeedDifference(a.mean - b.mean, low, high, p_value, over_seeds, sqrt(v_documents), needed)


def welch(value: float, parts: Sequence[tuple[float, int]]) -> tuple[float, float, float]:
    """The 95% interval of a value and the two-sided p-value of 0. `parts`: the variances whose sum is that of the
    value, each with its degrees of freedom.

    Without any variance, up to rounding, nothing tells what a difference is worth: the interval is [-1, 1], that of all
    differences of scores, and p is 1. Only of two models that never differ 0 is known to be right.
    """
    variance = sum(v for v, n in parts if n > 0)
    if value == 0 and variance == 0:
        return 0.0, 0.0, 1.0
    if variance <= NOTHING * value**2:
        return -1.0, 1.0, 1.0
    df = variance**2 / sum(v**2 / n for v, n in parts if v and n > 0)
    half = float(stdtrit(df, 1 - LEVEL / 2)) * sqrt(variance)
    return value - half, value + half, float(2 * stdtr(df, -abs(value) / sqrt(variance)))


def seeds_needed(spread: float, v_documents: float, wanted: float = WANTED) -> int | None:
    """The smallest number n of seeds of each of two models with which a difference `wanted` is found with a probability
    of about POWER: (t(1 - LEVEL / 2) + t(POWER)) sqrt(2 spread² / n + v_documents) ≤ wanted, with t of 2 n - 2 degrees
    of freedom. None if no number up to MOST_SEEDS is enough, as where the documents are too few."""
    n = np.arange(2, MOST_SEEDS + 1)
    reach = stdtrit(2 * n - 2, 1 - LEVEL / 2) + stdtrit(2 * n - 2, POWER)
    enough = reach * np.sqrt(2 * spread**2 / n + v_documents) <= wanted
    return int(n[enough.argmax()]) if enough.any() else None


def holm(p_values: Sequence[float], comparisons: int | None = None) -> list[float]:
    """The p-values, adjusted so that the probability of any false one among them is that of a single one (Holm 1979).

    comparisons: from how many p-values these were chosen; by default from none but these.
    """
    count = len(p_values) if comparisons is None else comparisons
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (count - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted
