"""The probability that a label is missing or wrong, from where the ranking has labels that were damaged on purpose."""

import numpy as np
from numpy.typing import NDArray

from docre.analysis.table import Bools, Floats

LIMIT, BINS = 25.0, 1000  # of the histogram over scores, which are log odds
ENOUGH = 40  # probes that N is estimated from


class Faults:
    """P(fault | score) of candidates of one kind: triples without a label, which are a fault if they hold, or labels,
    which are one if they do not.

    score: the log odds of a fault as the judges see it; only its order is used.
    probe: a candidate that is known to be a fault, because it was made one at random before the judges were trained.

    If the scores of the faults in the data are distributed like those of the probes,

        P(fault | s) = N f(s) / n(s)

    where f is the density of the probes' scores, n(s) that of the other candidates times their number, and N the number
    of faults among these. f / n is the best function that never falls with s (isotonic regression, by pooling adjacent
    violators: Ayer et al. 1955; for probabilities: Zadrozny and Elkan 2002). No more than all other candidates above a
    score are faults, so N is at most their number divided by the share of probes above it; the least such bound with at
    least ENOUGH probes is the estimate (the mixture proportion of learning from positive and unlabeled examples: Elkan
    and Noto 2008, Scott 2015). With 40 probes its standard error is about 16%.

    number: N, of which `Faults.probability` is the share at each score, once `fit` has been called.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((2, BINS))  # of others and of probes, from low to high scores
        self.number = 0.0
        self.probabilities = np.zeros(BINS)

    def add(self, score: Floats, probe: Bools) -> None:
        """Count candidates: `score` [candidates], `probe` [candidates] True for probes."""
        bins = bin_of(score)
        for known in (0, 1):
            self.counts[known] += np.bincount(bins[probe == bool(known)], minlength=BINS)

    def fit(self) -> "Faults":
        """Estimate the probabilities from what was counted. Without probes they are 0."""
        others, probes = self.counts
        if total := probes.sum():
            others_above, probes_above = (counts[::-1].cumsum() for counts in (others, probes))
            enough = probes_above >= min(ENOUGH, total / 2)
            self.number = float(total * (others_above[enough] / probes_above[enough]).min())
            if self.number:
                self.probabilities = np.minimum(1.0, self.number / total * rising_ratio(probes, others))
        return self

    def probability(self, score: Floats) -> NDArray[np.float64]:
        """P(fault | score)."""
        return self.probabilities[bin_of(score)]

    def found(self, least: float) -> float:
        """The share of probes whose probability is at least `least`; 0 without probes."""
        probes = self.counts[1]
        return float(probes[self.probabilities >= least].sum() / max(1.0, probes.sum()))


def bin_of(score: Floats) -> NDArray[np.int64]:
    """The bin of the histogram that each score is in."""
    return np.clip((np.asarray(score, dtype=np.float64) + LIMIT) * (BINS / (2 * LIMIT)), 0, BINS - 1).astype(np.int64)


def rising_ratio(numerators: Floats, denominators: Floats) -> NDArray[np.float64]:
    """The ratio of two histograms, made to rise: neighboring bins are pooled until no ratio is above the next one. A
    ratio x / 0 counts as infinite; bins that are empty in both histograms have that of the pool before them."""
    pools: list[tuple[float, float, int]] = []  # numerator, denominator, bins
    for n, d in zip(numerators.tolist(), denominators.tolist(), strict=True):
        pool = (n, d, 1)
        while pools and (pool[:2] == (0, 0) or pools[-1][0] * pool[1] >= pool[0] * pools[-1][1]):
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    ratios = [n / d if d else (np.inf if n else 0.0) for n, d, _ in pools]
    return np.repeat(ratios, [bins for *_, bins in pools])
