"""Readers of BioC, in XML and in JSON: BioRED, CDR, and what PubTator exports."""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docre.core.files import read_json
from docre.data.readers.base import READERS, reads
from docre.data.readers.concepts import Linked, Stated, build, concepts_of
from docre.data.readers.fields import describe_type, get, get_optional
from docre.data.readers.records import Record
from docre.data.readers.xml import Element, cut_documents, parse_element
from docre.documents import Document
from docre.errors import DocreError, prefixed

IDENTIFIERS = ("identifier", "Identifier", "MESH", "MeSH", "OMIM", "NCBI Gene", "NCBI_Gene", "dbSNP")  # infons
ENDS = (("entity1", "entity2"), ("role1", "role2"), ("Chemical", "Disease"))  # infons of a relation's head and tail
PLAIN = ("id", "offset", "length", "text", "refid", "role")  # attributes and elements that are values
RELATION_TYPES = ("type", "relation", "relation type")


@READERS.register("bioc_json")
def read_bioc_json(path: Path) -> Sequence[Document]:
    """Read {"documents": [...]}, each with `id`, `passages` (`offset`, `text`, `annotations`) and `relations`.

    A document's title is its id, and its text the passages with a space between them. Annotations have `infons` with
    `type` and `identifier` (or MESH, OMIM), `text` and `locations`, in characters (Unicode code points) from the
    beginning of the document. A mention of several locations reaches from the first to the last. Mentions with one
    identifier are one entity, see docre.data.readers.concepts. The head of a relation is its infon `entity1`, `role1`
    or `Chemical`, the tail `entity2`, `role2` or `Disease`; without these, its `nodes` name annotations, of which each
    is related with all later ones. Raises DocreError that names file, document and field.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DocreError(f"{path}: expected an object with 'documents', got {describe_type(content)}")
    with prefixed(path):
        documents = get(content, "PubTator3" if "PubTator3" in content else "documents", list, "BioC")
        return [parse_document(document, f"documents[{i}]") for i, document in enumerate(documents)]


@READERS.register("bioc_xml")
@reads(cut_documents, (".xml",))
def read_bioc_xml(record: Record) -> Document:
    """Read a BioC collection in XML, otherwise as the reader bioc_json. Files that declare entities are refused, and no
    other file is read (as a DTD)."""
    with prefixed(record.path):
        return parse_document(to_json(parse_element(record)), f"document {record.number}")


def to_json(element: Element) -> dict[str, Any]:
    """A `document`, `passage`, `annotation` or `relation` of BioC XML as the object that BioC JSON has for it."""
    value: dict[str, Any] = {key: text for key, text in element.attributes.items() if key in PLAIN} | {"infons": {}}
    for child in element.children:
        if child.name == "infon":
            value["infons"][child.attributes.get("key", "")] = child.text
        elif child.name in ("passage", "sentence", "annotation", "relation", "location", "node"):
            value.setdefault(f"{child.name}s", []).append(to_json(child))
        elif child.name in PLAIN:
            value[child.name] = child.text
    for key in ("offset", "length"):
        text = value.get(key)
        if isinstance(text, str) and text.strip().isascii() and text.strip().isdigit() and len(text) < 20:
            value[key] = int(text)
    return value


def parse_document(item: Any, where: str) -> Document:
    """The document in an object of BioC JSON. Raises DocreError that begins with `where` or with the document's id."""
    title = get(item, "id", str, where)
    where = f"document {title!r}"
    text = ""
    offsets: list[int] = []  # of each piece of the text in the file
    places: list[int] = []  # of each piece in `text`
    annotations: list[tuple[Any, str]] = []
    stated = list(get_optional(item, "relations", list, where, []))
    for p, passage in enumerate(get(item, "passages", list, where)):
        inside = f"{where}: passages[{p}]"
        sentences = get_optional(passage, "sentences", list, inside, [])
        for piece in [*sentences] or [passage]:
            offsets.append(get(piece, "offset", int, inside))
            if len(offsets) > 1 and offsets[-1] < offsets[-2]:
                raise DocreError(f"{inside}: its offset {offsets[-1]} is before the one of the text before it")
            text += " " * bool(places)
            places.append(len(text))
            text += get_optional(piece, "text", str, inside, "")
        for holder in (passage, *sentences):
            stated += get_optional(holder, "relations", list, inside, [])
            annotations += [(one, inside) for one in get_optional(holder, "annotations", list, inside, [])]
    mentions: dict[str, Linked] = {}
    for a, (annotation, inside) in enumerate(annotations):
        id_ = str(annotation.get("id", a)) if isinstance(annotation, dict) else ""
        mentions[id_ if id_ not in mentions else f"{id_} ({a})"] = parse_annotation(
            annotation, offsets, places, f"{inside}: annotation {id_!r}"
        )
    relations = [parse_relation(one, mentions, f"{where}: relations[{i}]") for i, one in enumerate(stated)]
    return build(title, text, mentions.values(), relations)


def parse_annotation(item: Any, offsets: Sequence[int], places: Sequence[int], where: str) -> Linked:
    """The mention in an annotation. A piece of the text that begins at offsets[i] in the file stands at places[i]."""
    infons = get(item, "infons", dict, where)
    spans = [
        (get(one, "offset", int, f"{where}: locations"), get(one, "length", int, f"{where}: locations"))
        for one in get(item, "locations", list, where)
    ]
    if not spans:
        raise DocreError(f"{where}: expected a location")

    def shift(offset: int) -> int:
        """How far the text at an offset is moved."""
        piece = bisect_right(offsets, offset) - 1
        return places[piece] - offsets[piece]

    start = min(start + shift(start) for start, _ in spans)
    end = max(start + length + shift(start) for start, length in spans)
    identifier = next((str(infons[key]) for key in IDENTIFIERS if infons.get(key) is not None), "")
    text = get(item, "text", str, where) if len(spans) == 1 else None
    return Linked(start, end, text, get(infons, "type", str, where), identifier, where)


def parse_relation(item: Any, mentions: dict[str, Linked], where: str) -> Stated:
    """A relation between the concepts that its infons name, or else those of the annotations that its nodes name."""
    infons = get(item, "infons", dict, where)
    type_ = next((infons[key] for key in RELATION_TYPES if isinstance(infons.get(key), str)), None)
    if not type_:
        raise DocreError(f"{where}: expected its type in one of the infons {', '.join(RELATION_TYPES)}")
    for keys in ENDS:
        if all(infons.get(key) for key in keys):
            return Stated(type_, [concept(infons[key], where, keys[0] == "role1") for key in keys], where)
    ends = []
    for node in get(item, "nodes", list, where):
        refid = get(node, "refid", str, where)
        if refid not in mentions:
            raise DocreError(f"{where}: there is no annotation {refid!r}")
        ends.append(concepts_of(mentions[refid], ())[0])
    if len(ends) < 2:
        raise DocreError(f"{where}: expected two concepts, got {len(ends)}")
    return Stated(type_, ends, where)


def concept(value: Any, where: str, typed: bool) -> str:
    """The identifier that an infon of a relation names: the text itself (if `typed`, after TYPE|), or `identifier` in
    an object."""
    if isinstance(value, dict):
        return str(get(value, "identifier", str, where))
    if not isinstance(value, str):
        raise DocreError(f"{where}: expected an identifier, got {describe_type(value)}")
    return (value.partition("|")[2] if typed and "|" in value else value).strip()
