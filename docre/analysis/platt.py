"""Platt scaling: the probability that a triple is correct, from its margin."""

from typing import Any, NamedTuple

import numpy as np

from docre.analysis.table import Bools, Floats, MarginTable

ROUNDS = 50  # most Newton steps; about ten suffice
NEAREST = 4  # cells that are fitted, as a multiple of the gold triples


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) of a number or an array, which does not overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def log_odds(p: Any, clip: float = 1e-12) -> Any:
    """ln(p / (1 - p)) of a number or an array, taken to be between `clip` and 1 - `clip`."""
    p = np.clip(np.asarray(p, dtype=np.float64), clip, 1 - clip)
    return np.log(p) - np.log1p(-p)


class Platt(NamedTuple):
    """p = 1 / (1 + exp(-(slope * margin + intercept)))"""

    slope: float
    intercept: float

    def probability(self, margin: float) -> float:
        """The probability that a triple with this margin is correct."""
        return float(sigmoid(self.log_odds(margin)))

    def log_odds(self, margin: float) -> float:
        """ln(p / (1 - p)) of that probability."""
        return self.slope * margin + self.intercept


def fit_platt(table: MarginTable) -> Platt:
    """The slope and the intercept of the highest likelihood on the cells with the highest margins, four times as many
    as there are gold triples: those that are predicted, and those that nearly are. (All cells together say little about
    them: hardly any of the others is ever right.)

    With n_1 right and n_0 wrong cells the targets are (n_1 + 1) / (n_1 + 2) and 1 / (n_0 + 2), which keeps the fit
    finite where margins separate them. Platt 1999, "Probabilistic Outputs for Support Vector Machines".
    """
    margins, labels = table.margins.ravel(), table.labels.ravel()
    count = min(len(margins), NEAREST * max(1, table.gold))
    highest = np.argsort(margins)[len(margins) - count :]
    return fit(margins[highest].astype(np.float64), labels[highest])


def fit(margins: Floats, labels: Bools) -> Platt:
    """Platt scaling of `margins` [n] to `labels` [n], by Newton's method with step halving."""
    right = int(labels.sum())
    target = np.where(labels, (right + 1) / (right + 2), 1 / (len(labels) - right + 2))
    features = np.stack([margins, np.ones_like(margins)], axis=1)

    def cost(weights: Floats) -> float:
        z = features @ weights
        return float((np.logaddexp(0, z) - target * z).sum())

    weights = np.zeros(2)
    for _ in range(ROUNDS):
        p = sigmoid(features @ weights)
        gradient = features.T @ (p - target)
        curvature = (features * (p * (1 - p))[:, None]).T @ features + 1e-9 * np.eye(2)
        step, size = np.linalg.solve(curvature, gradient), 1.0
        while size > 1e-6 and cost(weights - size * step) > cost(weights):
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return Platt(float(weights[0]), float(weights[1]))
