"""The scores of coreference: MUC, B-cubed, CEAF-e. Each is two fractions, recall and precision, whose numerators and
denominators are summed over documents, as the scorer of CoNLL 2012 does.

K are the gold clusters, R the predicted ones (Pradhan et al. 2014, "Scoring Coreference Partitions of Predicted
Mentions"; published values are tested).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import networkx

from docre.evaluation.end_to_end.annotation import Cluster

Clusters = Sequence[Cluster]  # no mention is in two of them


@dataclass(frozen=True)
class Fractions:
    """Recall `found / gold` and precision `right / predicted`; undefined scores are None, as in PRF."""

    found: float = 0.0
    gold: float = 0.0
    right: float = 0.0
    predicted: float = 0.0

    def __add__(self, other: "Fractions") -> "Fractions":
        return Fractions(
            self.found + other.found,
            self.gold + other.gold,
            self.right + other.right,
            self.predicted + other.predicted,
        )

    @property
    def p(self) -> float | None:
        return self.right / self.predicted if self.predicted else None

    @property
    def r(self) -> float | None:
        return self.found / self.gold if self.gold else None

    @property
    def f1(self) -> float | None:
        p, r = self.p or 0.0, self.r
        return None if r is None else 2 * p * r / (p + r) if p + r else 0.0

    def to_json(self) -> dict[str, float | None]:
        return {"p": self.p, "r": self.r, "f1": self.f1}


def muc(gold: Clusters, predicted: Clusters) -> Fractions:
    """Links: found = sum_k |k| - (parts into which R divides k), gold = sum_k |k| - 1; precision likewise (Vilain et
    al. 1995). Undefined if every entity has one mention."""
    return Fractions(*_links(gold, predicted), *_links(predicted, gold))


def b_cubed(gold: Clusters, predicted: Clusters) -> Fractions:
    """Mentions: found = sum_k,r |k ∩ r|² / |k|, gold = sum_k |k|; precision likewise (Bagga and Baldwin 1998)."""
    common = overlaps(gold, predicted)
    return Fractions(
        sum(n**2 / len(gold[k]) for (k, _), n in common.items()),
        sum(map(len, gold)),
        sum(n**2 / len(predicted[r]) for (_, r), n in common.items()),
        sum(map(len, predicted)),
    )


def ceaf_e(gold: Clusters, predicted: Clusters) -> Fractions:
    """Entities: the largest sum of 2 |k ∩ r| / (|k| + |r|) that a one-to-one assignment of clusters reaches, over |K|
    and over |R| (Luo 2005)."""
    graph = networkx.Graph()
    for (k, r), n in overlaps(gold, predicted).items():
        graph.add_edge(("gold", k), ("predicted", r), weight=2 * n / (len(gold[k]) + len(predicted[r])))
    parts = (graph.subgraph(nodes) for nodes in networkx.connected_components(graph))  # matching is cubic in the nodes
    best = sum(graph.edges[edge]["weight"] for part in parts for edge in networkx.max_weight_matching(part))
    return Fractions(best, len(gold), best, len(predicted))


METRICS: dict[str, Callable[[Clusters, Clusters], Fractions]] = {"muc": muc, "b_cubed": b_cubed, "ceaf_e": ceaf_e}


def overlaps(gold: Clusters, predicted: Clusters) -> Counter[tuple[int, int]]:
    """The number of common mentions of each gold and each predicted cluster, by their positions, where it is not 0."""
    owner = {mention: r for r, cluster in enumerate(predicted) for mention in cluster}
    return Counter((k, owner[mention]) for k, cluster in enumerate(gold) for mention in cluster if mention in owner)


def _links(clusters: Clusters, others: Clusters) -> tuple[int, int]:
    """The links of `clusters` that `others` have too, and all links."""
    owner = {mention: i for i, cluster in enumerate(others) for mention in cluster}
    parts = sum(len({owner.get(mention, (mention,)) for mention in cluster}) for cluster in clusters)
    mentions = sum(map(len, clusters))
    return mentions - parts, mentions - len(clusters)
