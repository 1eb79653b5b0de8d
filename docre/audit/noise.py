"""How often annotators miss a relation or give a wrong label, estimated from what models say of all candidates."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from docre.analysis.platt import log_odds, sigmoid
from docre.analysis.table import Bools, Floats

LIMIT, BINS = 25.0, 1000  # of the histogram over ln(p / (1 - p))
ROUNDS = 2000  # most rounds of expectation maximization
TOLERANCE = 1e-10


class AnnotationErrors:
    """Bayes' rule with two rates of annotation errors, for candidates with a known probability of being true.

    A candidate (a pair with a relation) is true with the probability p that a calibrated model gives it, which has not
    seen its label. Annotators miss a true one with probability m, and label an untrue one with probability f; both are
    independent of p. Then

        P(true | labeled)     = p (1 - m) / (p (1 - m) + (1 - p) f)
        P(true | not labeled) = p m / (p m + (1 - p) (1 - f))

    m and f are those of the highest likelihood of the labels, found by expectation maximization (Dempster et al. 1977;
    with one annotator and a prior for each item it is the model of Dawid and Skene 1979). Candidates are counted in a
    histogram over ln(p / (1 - p)), so that memory does not depend on their number.

    If the documents on which the models are calibrated lack the same share of relations, p is the probability of a
    label, not of a true relation, and m comes out too low; the order of suggestions does not depend on it.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((2, BINS))
        self.missed, self.false = 0.0, 0.0

    def add(self, p: Floats, labels: Bools) -> None:
        """Count candidates: `p` [...], `labels` [...] True where there is a label."""
        bins = np.clip((log_odds(p) + LIMIT) * (BINS / (2 * LIMIT)), 0, BINS - 1).astype(np.int64)
        for labeled in (0, 1):
            self.counts[labeled] += np.bincount(bins[labels == bool(labeled)].ravel(), minlength=BINS)

    def fit(self) -> "AnnotationErrors":
        """Estimate the rates from what was counted."""
        p = self.probabilities()
        unlabeled, labeled = self.counts
        self.missed, self.false = 0.1, float(0.1 * labeled.sum() / max(1.0, self.counts.sum()))
        for _ in range(ROUNDS):
            true_labeled = labeled * self.true(p, True)
            true_unlabeled = unlabeled * self.true(p, False)
            true = true_labeled.sum() + true_unlabeled.sum()
            missed = true_unlabeled.sum() / max(true, 1e-12)
            false = (labeled - true_labeled).sum() / max(self.counts.sum() - true, 1e-12)
            change = max(abs(missed - self.missed), abs(false - self.false))
            self.missed, self.false = float(missed), float(false)
            if change < TOLERANCE:
                break
        return self

    def probabilities(self) -> NDArray[np.float64]:
        """p in the middle of each bin."""
        return sigmoid((np.arange(BINS) + 0.5) * (2 * LIMIT / BINS) - LIMIT)

    @property
    def missing(self) -> float:
        """How many candidates without a label are expected to be true."""
        return float((self.counts[0] * self.true(self.probabilities(), False)).sum())

    def true(self, p: Any, labeled: Any) -> NDArray[np.float64]:
        """The probability that candidates are true, given p (a number or an array) and whether they are labeled."""
        p = np.asarray(p, dtype=np.float64)
        if_true = np.where(labeled, 1 - self.missed, self.missed)
        if_untrue = np.where(labeled, self.false, 1 - self.false)
        return p * if_true / np.maximum(p * if_true + (1 - p) * if_untrue, 1e-300)
