"""Clusters of mentions, from the probabilities of their pairs to be one entity."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from docre.entities.names import Floats

Method = Literal["average", "complete"]


@dataclass(frozen=True)
class Tree:
    """The order in which agglomerative clustering joins mentions.

    same:    [mentions, mentions] the probability of each pair to be one entity.
    joined:  scipy's linkage matrix, [mentions - 1, 4], with the distances 1 - similarity; None for a single mention.
    """

    same: Floats
    joined: NDArray[np.float64] | None

    @classmethod
    def of(cls, same: Floats, method: Method) -> "Tree":
        """Join the most similar two clusters first. The similarity of two clusters is the mean ("average") or the
        smallest ("complete") probability of a mention of one and a mention of the other to be one entity."""
        if len(same) < 2:
            return cls(same, None)
        distance = 1 - (same + same.T) / 2
        np.fill_diagonal(distance, 0)
        return cls(same, linkage(squareform(np.clip(distance, 0, 1), checks=False), method))

    def cut(self, threshold: float) -> list[list[int]]:
        """The clusters whose similarity is at least the threshold, in the order of their first mentions."""
        if self.joined is None:
            return [[i] for i in range(len(self.same))]
        clusters: dict[int, list[int]] = {}
        for mention, cluster in enumerate(fcluster(self.joined, 1 - threshold + 1e-9, "distance").tolist()):
            clusters.setdefault(cluster, []).append(mention)
        return list(clusters.values())

    def scores(self, clusters: Sequence[Sequence[int]]) -> list[float]:
        """How sure each cluster is: the mean probability of its pairs (1 if it has none), times 1 - the largest mean
        probability of its mentions with those of another cluster."""
        if not clusters:
            return []
        order, sizes = np.concatenate([list(members) for members in clusters]), np.array(list(map(len, clusters)))
        starts = np.cumsum(sizes) - sizes
        rows = np.add.reduceat(self.same[order], starts, axis=0)
        sums = np.add.reduceat(rows[:, order], starts, axis=1)
        own = np.diag(sums) - np.add.reduceat(np.diag(self.same)[order], starts)
        pairs = sizes * (sizes - 1)
        inside = np.where(pairs > 0, own / np.maximum(pairs, 1), 1.0)
        between = sums / (sizes[:, None] * sizes)
        np.fill_diagonal(between, 0)
        return np.clip(inside * (1 - between.max(axis=1, initial=0)), 0, 1).tolist()
