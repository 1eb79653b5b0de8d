"""Makes a document of labeled spans and of relations between spans, as annotation tools save them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from docre.data.readers.jsonl import parse_document
from docre.documents import Document
from docre.errors import DocreError

COREFERENCE = "COREFERENCE"  # the relation that joins the mentions of an entity


class Region(NamedTuple):
    """A labeled span of the text, in characters; `where` is its place in messages."""

    label: str
    start: int
    end: int
    where: str


class Link(NamedTuple):
    """A relation between the regions with the ids `head` and `tail`; `where` is its place in messages."""

    head: str
    tail: str
    label: str
    where: str


def build(title: str, text: str, regions: Mapping[str, Region], links: Sequence[Link]) -> Document:
    """The document. Regions joined by COREFERENCE, whatever the direction, are one entity; another relation between two
    regions holds between their entities, once.

    Raises DocreError for a relation of a region that does not exist, and a region that is not inside the text.
    """
    for region in regions.values():
        if not 0 <= region.start < region.end <= len(text) or text[region.start : region.end].isspace():
            place = f"characters [{region.start}, {region.end})"
            raise DocreError(f"{region.where}: {place} are not inside the text ({len(text)} characters), or blank")
    for link in links:
        for id_ in (link.head, link.tail):
            if id_ not in regions:
                raise DocreError(f"{link.where}: there is no span with the id {id_!r}")
    clusters = {id_: [id_] for id_ in regions}
    for link in links:
        if link.label == COREFERENCE and clusters[link.head] is not clusters[link.tail]:
            clusters[link.head] += clusters[link.tail]
            for id_ in clusters[link.tail]:
                clusters[id_] = clusters[link.head]
    order: dict[str, int] = {}  # the entity of each region
    entities: list[dict[str, object]] = []
    for id_ in sorted(regions, key=lambda id_: (regions[id_].start, regions[id_].end)):
        if id_ in order:
            continue
        order |= dict.fromkeys(clusters[id_], len(entities))
        spans = sorted((regions[other].start, regions[other].end) for other in clusters[id_])
        entities.append({"type": regions[id_].label, "mentions": [list(span) for span in spans]})
    relations = dict.fromkeys(
        (order[link.head], link.label, order[link.tail]) for link in links if link.label != COREFERENCE
    )
    item = {"title": title, "text": text, "entities": entities, "relations": [list(relation) for relation in relations]}
    return parse_document(item, title)
