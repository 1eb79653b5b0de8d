"""Gold labels for predicted entities: the triples of a gold document, said of the entities that a tagger found."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from docre.documents import Document, Triple
from docre.evaluation.end_to_end.annotation import annotation, check_same_text, clusters_of, dice, tokens_of


def with_gold_labels(predicted: Document, gold: Document, similarity: float = 0.5) -> Document:
    """The predicted document with the triples of the gold document of the same text.

    A predicted entity stands for the gold entity that it is most similar to by the Dice coefficient of their mentions,
    2 |k ∩ r| / (|k| + |r|), if that is at least `similarity` (1: only for one with exactly its mentions). So a triple
    may hold for several predicted entities, or none. Evidence are the sentences that overlap those of the gold
    document. Raises DocreError if the gold document has no labels, or the texts differ.
    """
    if gold.triples is None:
        raise gold.fail("no labels")
    check_same_text(gold.title, annotation(gold), annotation(predicted), "tagger")
    clusters = clusters_of(gold)
    standing: list[list[int]] = [[] for _ in clusters]  # the predicted entities that stand for each gold one
    for e, cluster in enumerate(clusters_of(predicted)):
        best = max(range(len(clusters)), key=lambda k: dice(cluster, clusters[k]), default=None)
        if best is not None and cluster and dice(cluster, clusters[best]) >= similarity:
            for k, other in enumerate(clusters):  # a gold document may list an entity twice
                if other == clusters[best]:
                    standing[k].append(e)
    overlapping = sentences_overlapping(gold, predicted)
    triples = [
        Triple(head, tail, t.relation, tuple(sorted({s for e in t.evidence for s in overlapping[e]})))
        for t in gold.triples
        for head in standing[t.head]
        for tail in standing[t.tail]
        if head != tail or t.head == t.tail
    ]
    return replace(predicted, triples=list(dict.fromkeys(triples)))


def sentences_overlapping(document: Document, other: Document) -> list[list[int]]:
    """For each sentence of a document, the sentences of another of the same text that have characters of it."""
    ends = [list(accumulate((len("".join(s)) for s in tokens_of(d)), initial=0)) for d in (document, other)]
    spans: list[Sequence[tuple[int, int]]] = [list(pairwise(e)) for e in ends]
    return [[i for i, (s, e) in enumerate(spans[1]) if s < end and start < e] for start, end in spans[0]]
