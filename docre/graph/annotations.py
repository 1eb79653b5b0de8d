"""What the formats of annotation tools have in common: labeled spans with ids, and relations between two of them.

An entity has a span for each mention; relations called COREFERENCE join each mention to the next of its entity. The
readers `label_studio` and `doccano` make entities of spans that are joined so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from docre.extraction import ExtractedTriple, Extraction, Span
from docre.graph.nodes import Value, described, known

COREFERENCE = "COREFERENCE"
UNTYPED = "ENTITY"  # the label of an entity without a type: these tools allow no empty label


@dataclass(frozen=True)
class Region:
    """A labeled span; `entity` is the position of its entity."""

    id: int
    entity: int
    label: str
    span: Span


@dataclass(frozen=True)
class Link:
    """A relation between the regions with the ids `head` and `tail`. The triple is None for COREFERENCE."""

    id: int
    head: int
    tail: int
    label: str
    triple: ExtractedTriple | None = None


def regions(extraction: Extraction, first: int = 0) -> list[Region]:
    """All mentions of all entities; their ids begin with `first`."""
    spans = [(e, entity, span) for e, entity in enumerate(extraction.entities) for span in entity.mentions]
    return [Region(i, e, entity.type or UNTYPED, span) for i, (e, entity, span) in enumerate(spans, first)]


def links(extraction: Extraction, of: list[Region]) -> Iterator[Link]:
    """The relations between regions: those of coreference, then the triples, between the two nearest mentions."""
    first = {region.entity: region.id for region in reversed(of)}
    place = {(region.entity, region.span.start, region.span.end): region.id for region in reversed(of)}
    number = 0
    for before, after in pairwise(of):
        if before.entity == after.entity:
            yield Link(number, before.id, after.id, COREFERENCE)
            number += 1
    for triple in extraction.triples:
        head, tail = (
            place.get((entity, span.start, span.end), first[entity])
            for entity, span in ((triple.head, triple.head_mention), (triple.tail, triple.tail_mention))
        )
        yield Link(number, head, tail, triple.relation, triple)
        number += 1


def details(extraction: Extraction, triple: ExtractedTriple | None) -> dict[str, Value | list[dict[str, Value]]]:
    """What the tools have no field for, and keep or ignore: name, score, margin and evidence of a triple."""
    if triple is None:
        return {}
    evidence = [described(extraction, span) for span in triple.evidence]
    return known(name=triple.relation_name, score=triple.confidence, margin=triple.margin) | {"evidence": evidence}
