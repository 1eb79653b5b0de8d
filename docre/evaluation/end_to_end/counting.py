"""Counts what two annotations of a document have in common: gold, predicted and correct, by kind."""

from collections import Counter
from collections.abc import Set
from typing import Any

from docre.evaluation.end_to_end.annotation import Annotation, Cluster, Fact, dice
from docre.evaluation.facts import TrainFacts

KINDS = ("mentions", "clusters", "entities", "relaxed", "strict", "surface", "aligned")
Counts = dict[str, Counter[str]]  # of each of KINDS "gold", "predicted" and "correct"; of "in_train" two of KINDS


def no_counts() -> Counts:
    """Counts of nothing."""
    return {name: Counter() for name in (*KINDS, "in_train")}


def count(counts: Counter[str], gold: Set[Any], predicted: Set[Any]) -> None:
    """Add the sizes of two sets and of their intersection."""
    counts.update(gold=len(gold), predicted=len(predicted), correct=len(gold & predicted))


def count_entities(counts: Counts, gold: Annotation, predicted: Annotation) -> None:
    """Add the mentions, clusters and entities of a document."""
    count(counts["mentions"], gold.mentions, predicted.mentions)
    count(counts["clusters"], set(gold.clusters), set(predicted.clusters))
    count(counts["entities"], set(gold.clusters.items()), set(predicted.clusters.items()))


def count_facts(
    counts: Counts,
    gold_facts: frozenset[Fact],
    predicted_facts: frozenset[Fact],
    gold: Annotation,
    predicted: Annotation,
    train: TrainFacts | None,
) -> None:
    """Add the triples of a labeled document."""
    count(counts["relaxed"], gold_facts, predicted_facts)
    for name, facts, document in (("gold", gold_facts, gold), ("predicted", predicted_facts, predicted)):
        counts["strict"][name] += len(facts)
        counts["surface"][name] += len(surfaces(facts, document))
    counts["surface"]["correct"] += len(surfaces(gold_facts, gold) & surfaces(predicted_facts, predicted))
    for head, relation, tail in gold_facts & predicted_facts:
        right = all(gold.clusters[cluster] == predicted.clusters[cluster] for cluster in (head, tail))
        known = train is not None and train.state(gold.names[head], gold.names[tail], relation)
        counts["strict"]["correct"] += right
        counts["in_train"].update(relaxed=int(known), strict=int(known and right))
    similar = {cluster: most_similar(cluster, gold) for cluster in predicted.clusters}
    count(counts["aligned"], gold_facts, {(similar[head], name, similar[tail]) for head, name, tail in predicted_facts})


def surfaces(facts: frozenset[Fact], document: Annotation) -> set[tuple[str, str, str]]:
    """The triples by the texts of their heads and tails."""
    return {(document.surface(head), relation, document.surface(tail)) for head, relation, tail in facts}


def most_similar(cluster: Cluster, gold: Annotation) -> Cluster:
    """The gold entity with the largest Dice coefficient, 2 |k ∩ r| / (|k| + |r|); `cluster` itself if none shares a
    mention with it. An equal one is always the most similar."""
    shared = [other for other in gold.clusters if other & cluster]
    return min(shared, key=lambda other: (-dice(other, cluster), sorted(other)), default=cluster)
