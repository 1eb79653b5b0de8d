"""What a document says about its text, in a form in which two documents of the same text can be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

from docre.documents import Document
from docre.errors import DocreError

Span = tuple[int, int]  # characters [start, end) of the text without white space
Cluster = frozenset[Span]  # the mentions of an entity
Fact = tuple[Cluster, str, Cluster]  # head, relation, tail
SHOWN = 20  # characters that a message shows of a text


@dataclass(frozen=True)
class Annotation:
    """The entities and triples of one document.

    text:     the characters of its tokens, without white space. So it does not matter how the text is divided into
              tokens and sentences.
    clusters: the type of each entity, which is the set of its mentions. Entities with the same mentions are one, with
              the alphabetically first of their types. Entities without mentions are left out, with their triples.
    names:    the names of the mentions of each entity.
    facts:    its triples; None if it is unlabeled.
    """

    text: str
    clusters: Mapping[Cluster, str]
    names: Mapping[Cluster, Sequence[str]]
    facts: frozenset[Fact] | None

    @property
    def mentions(self) -> frozenset[Span]:
        """The mentions of all entities."""
        return frozenset().union(*self.clusters)

    def surface(self, cluster: Cluster) -> str:
        """The characters of the entity's first mention in the text, the longest of those that begin there."""
        start, end = min(cluster, key=lambda span: (span[0], -span[1]))
        return self.text[start:end]

    def partition(self) -> list[Cluster]:
        """The entities, each mention in one only: of several entities that list it, the first in `sorted` order."""
        seen: set[Span] = set()
        parts = []
        for cluster in sorted(self.clusters, key=sorted):
            parts.append(cluster - seen)
            seen |= cluster
        return [part for part in parts if part]


def dice(one: Cluster, other: Cluster) -> float:
    """2 |one ∩ other| / (|one| + |other|); 0 if both are empty."""
    return 2 * len(one & other) / max(1, len(one) + len(other))


def tokens_of(document: Document) -> list[list[str]]:
    """The tokens of each sentence without white space."""
    return [["".join(token.split()) for token in sentence] for sentence in document.sentences]


def clusters_of(document: Document) -> list[Cluster]:
    """The mentions of each entity of a document, in its order."""
    tokens = tokens_of(document)
    ends = list(
        accumulate(map(len, chain.from_iterable(tokens)), initial=0)
    )  # where each token begins, and the last ends
    first = list(accumulate(map(len, tokens), initial=0))  # the first token of each sentence
    return [
        frozenset((ends[first[m.sentence] + m.start], ends[first[m.sentence] + m.end]) for m in entity.mentions)
        for entity in document.entities
    ]


def annotation(document: Document) -> Annotation:
    """The annotation of a document."""
    clusters = clusters_of(document)
    types: dict[Cluster, str] = {}
    names: dict[Cluster, list[str]] = {}
    for cluster, entity in zip(clusters, document.entities, strict=True):
        if cluster:
            types[cluster] = min(types.get(cluster, entity.type), entity.type)
            names.setdefault(cluster, []).extend({mention.name: None for mention in entity.mentions})
    facts = None
    if document.triples is not None:
        stated = ((clusters[t.head], t.relation, clusters[t.tail]) for t in document.triples)
        facts = frozenset((head, relation, tail) for head, relation, tail in stated if head and tail)
    return Annotation("".join(chain.from_iterable(tokens_of(document))), types, names, facts)


def check_same_text(title: str, gold: Annotation, predicted: Annotation, where: str) -> None:
    """Raises DocreError, beginning with `where` (the file of the predictions), if the texts differ, with the first
    difference."""
    if gold.text == predicted.text:
        return
    at = common_prefix(gold.text, predicted.text)
    shown = [repr(text[at : at + SHOWN]) if text[at:] else "its end" for text in (predicted.text, gold.text)]
    raise DocreError(
        f"{where}: document {title!r}: not the text of the gold document: after {at} characters (white space not "
        f"counted) {shown[0]}, but in the gold document {shown[1]}"
    )


def common_prefix(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs: Iterable[tuple[str, str]] = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
