"""Makes a document of mentions that are linked to concepts by identifiers, as biomedical corpora have them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from docre.documents import Document, Triple
from docre.documents.plain import MarkedEntity, mark
from docre.errors import DocreError

MOST_CONCEPTS = 50  # of one relation, which has a triple for each two of them
UNKNOWN = frozenset({"", "-", "-1", "None"})  # identifiers of mentions that are linked to nothing
MESH = re.compile(r"(?:(?:MESH|OMIM|MeSH):)?[A-Z]?\d+|-1")  # an identifier in which "|" separates


class Linked(NamedTuple):
    """A mention: the characters [start, end) of the text, what they are said to be (None: several parts of these), and
    the type and the identifier of its concept; `where` is its place in messages."""

    start: int
    end: int
    text: str | None
    type: str
    identifier: str
    where: str


class Stated(NamedTuple):
    """A relation between concepts, from the first to the second; `where` is its place in messages."""

    relation: str
    concepts: Sequence[str]
    where: str


def build(title: str, text: str, mentions: Iterable[Linked], relations: Sequence[Stated]) -> Document:
    """The labeled document in which each concept is an entity, in the order of their first mentions.

    A mention of several concepts ("D000438,D018943", "D010051|D010534" or with ";") is a mention of each; an identifier
    that a relation has as it stands is not divided, nor are the "|" in those of variants ("c|SUB|A|3243|G"). Mentions
    without an identifier (-1, - or none) are one entity if they have one type and text. A relation of more than two
    concepts holds between each two of them, from the earlier one to the later.

    Raises DocreError for a mention whose text is not what stands at its characters, and for a relation of a concept
    without mentions.
    """
    whole = {concept for relation in relations for concept in relation.concepts}
    found: dict[str, tuple[str, dict[tuple[int, int], None]]] = {}
    for mention in sorted(mentions, key=lambda mention: (mention.start, mention.end)):
        check(mention, text)
        for concept in concepts_of(mention, whole):
            found.setdefault(concept, (mention.type, {}))[1][mention.start, mention.end] = None
    document = mark(title, text, [MarkedEntity(type_, list(spans)) for type_, spans in found.values()])
    index = {concept: position for position, concept in enumerate(found)}
    triples: dict[Triple, None] = {}
    for relation in relations:
        if len(relation.concepts) > MOST_CONCEPTS:
            raise DocreError(f"{relation.where}: {len(relation.concepts)} concepts, expected at most {MOST_CONCEPTS}")
        for concept in relation.concepts:
            if concept not in index:
                raise DocreError(f"{relation.where}: no mention has the identifier {concept!r}")
        ends = [index[concept] for concept in relation.concepts]
        for i, head in enumerate(ends):
            triples |= dict.fromkeys(Triple(head, tail, relation.relation) for tail in ends[i + 1 :])
    return replace(document, triples=list(triples))


def check(mention: Linked, text: str) -> None:
    """Raises DocreError unless the mention's text stands at its characters."""
    actual = text[mention.start : mention.end] if 0 <= mention.start < mention.end <= len(text) else None
    if actual is None or not actual.strip():
        place = f"characters [{mention.start}, {mention.end})"
        raise DocreError(f"{mention.where}: {place} are not inside the text ({len(text)} characters), or blank")
    if mention.text is not None and actual.split() != mention.text.split():
        raise DocreError(
            f"{mention.where}: its text is {mention.text!r}, but characters [{mention.start}, {mention.end}) are "
            f"{actual!r}: offsets count characters (Unicode code points) from the beginning of the document"
        )


def concepts_of(mention: Linked, whole: Iterable[str]) -> Sequence[str]:
    """The concepts of a mention. `whole`: identifiers that are not divided."""
    identifier = mention.identifier.strip()
    if identifier in UNKNOWN:
        return [unlinked(mention)]
    if identifier in whole:
        return [identifier]
    parts = [part.strip() for part in re.split("[,;]", identifier)]
    divided = [one for part in parts for one in by_bars(part)]
    return [one for one in divided if one not in UNKNOWN] or [unlinked(mention)]


def by_bars(identifier: str) -> list[str]:
    """An identifier, divided at "|" if all parts are identifiers of MeSH or OMIM, or numbers."""
    parts = identifier.split("|")
    return parts if all(MESH.fullmatch(part) for part in parts) else [identifier]


def unlinked(mention: Linked) -> str:
    """What stands for the concept of a mention without one; no identifier has a tab."""
    return f"{mention.type}\t{mention.start if mention.text is None else mention.text}"
