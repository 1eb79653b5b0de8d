"""How sure a triple of a plain text is, where the entities were found too."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from docre.analysis.platt import log_odds, sigmoid

Doubles = NDArray[np.float64]
RIDGE = 1e-4  # of the squared weights, beside the mean cross-entropy
CLIP = 1e-3  # scores are taken to be between this and 1 - this


class EndToEnd(NamedTuple):
    """p = sigmoid(relation * z + mentions * m + entities * e + intercept): the probability that a triple is right, its
    relation and both its entities with exactly their mentions.

    z is the log odds of the relation where the entities are given (Platt); m the sum over head and tail of the log odds
    that all their mentions are right (the product of the scores), and e that of the log odds of the entities. What is
    unknown counts as 0. The weights are not negative.

    tagger: the name of the tagger for which this was fitted.
    """

    relation: float
    mentions: float
    entities: float
    intercept: float
    tagger: str

    def probability(self, z: float, m: float, e: float) -> float:
        """The probability that a triple is right."""
        return float(sigmoid(self.relation * z + self.mentions * m + self.entities * e + self.intercept))


def score_log_odds(score: float | None) -> float:
    """ln(p / (1 - p)) of a score from 0 to 1; 0 if it is unknown."""
    return 0.0 if score is None else float(log_odds(score, CLIP))


def fit_end_to_end(features: Doubles, right: NDArray[np.bool_], tagger: str) -> EndToEnd:
    """The weights of the highest likelihood, by L-BFGS-B. `features`: z, m and e of triples [triples, 3]; `right`:
    which of them are right. A feature that is the same for all triples gets the weight 0.

    As in Platt scaling the targets are (n_1 + 1) / (n_1 + 2) and 1 / (n_0 + 2).
    """
    count, positive = len(right), int(right.sum())
    target = np.where(right, (positive + 1) / (positive + 2), 1 / (count - positive + 2))
    spread = features.std(axis=0) if count else np.zeros(3)
    varies = spread > 1e-6
    scale = np.where(varies, spread, 1.0)
    scaled = np.concatenate([features / scale, np.ones((count, 1))], axis=1)

    from scipy.optimize import minimize  # here, since prediction needs no fit, and the import takes half a second

    def cost(weights: Doubles) -> tuple[float, Doubles]:
        logits = scaled @ weights
        p = sigmoid(logits)
        ridge = RIDGE * np.concatenate([weights[:3], [0.0]])
        value = (np.logaddexp(0, logits) - target * logits).sum() / max(1, count) + 0.5 * (ridge @ weights)
        return float(value), scaled.T @ (p - target) / max(1, count) + ridge

    bounds = [(0.0, None if each else 0.0) for each in varies] + [(None, None)]
    found = minimize(cost, np.array([0.5, 0.1, 0.1, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds).x
    relation, mentions, entities = (found[:3] / scale).tolist()
    return EndToEnd(relation, mentions, entities, float(found[3]), tagger)
