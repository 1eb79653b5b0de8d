"""JSON lines of raw text with character offsets: the plain format for people's own data."""

from bisect import bisect_left
from pathlib import Path
from typing import Any

from docre.data.base import READERS
from docre.data.fields import get, get_optional, integers, kind
from docre.data.flat import FlatMention, cut
from docre.data.text import sentence_starts, tokenise
from docre.documents import Document, Triple
from docre.errors import DocreError
from docre.files import parse_json, read_text


@READERS.register("jsonl")
def read_jsonl(path: Path) -> list[Document]:
    """One document a line:

        {"title": "...", "text": "...", "entities": [{"type": "...", "mentions": [[start, end], ...]}, ...],
         "relations": [[head, "relation", tail], ...]}

    Offsets count characters (Unicode code points) of `text`, end excluded. `head` and `tail` are positions in
    `entities`; a relation may also be {"head", "relation", "tail"}. Without `relations` a document is unlabelled,
    with an empty list no relation holds in it. Without `title` it is called `<file>:<line>`; a `type` may be missing.
    Other keys (a `name` or an `id`, say) are ignored, and so are empty lines.

    docre splits the text into tokens and sentences (see docre.data.text): a mention's boundaries are always token
    boundaries, and no sentence ends inside a mention. Raises DocreError that names file, line and field.
    """
    documents = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        item = parse_json(line, str(path), number)
        try:
            if not isinstance(item, dict):
                raise DocreError(f"expected an object, got {kind(item)}")
            documents.append(parse_document(item, f"{path.stem}:{number}"))
        except DocreError as error:
            raise DocreError(f"{path}: line {number}: {error}") from None
    return documents


def parse_document(item: dict[str, Any], default_title: str) -> Document:
    """The document of a line. Raises DocreError, beginning with the field, where it is malformed."""
    title = get_optional(item, "title", str, "document", default_title)
    text = get(item, "text", str, "document")
    spans = []  # of each entity: its type, and the characters of its mentions
    for e, entity in enumerate(get(item, "entities", list, "document")):
        where = f"entities[{e}]"
        mentions = get(entity, "mentions", list, where)
        places = [parse_span(span, text, f"{where}.mentions[{m}]") for m, span in enumerate(mentions)]
        spans.append((get_optional(entity, "type", str, where, ""), places))
    relations = get_optional(item, "relations", list, "document")
    triples = None
    if relations is not None:
        triples = [parse_relation(relation, f"relations[{i}]") for i, relation in enumerate(relations)]
    tokens = tokenise(text, (place for _, places in spans for span in places for place in span))
    starts = [start for start, _ in tokens]
    entities = [
        [
            FlatMention(" ".join(text[start:end].split()), bisect_left(starts, start), bisect_left(starts, end), type_)
            for start, end in places
        ]
        for type_, places in spans
    ]
    breaks = (bisect_left(starts, place) for place in sentence_starts(text))
    return cut(title, [text[start:end] for start, end in tokens], breaks, entities, triples)


def parse_span(span: Any, text: str, where: str) -> tuple[int, int]:
    """[start, end) in characters of `text`."""
    start, end = integers(span, where, 2)
    if not 0 <= start < end <= len(text):
        raise DocreError(f"{where}: characters [{start}, {end}) are not inside the text ({len(text)} characters)")
    if text[start:end].isspace():
        raise DocreError(f"{where}: characters [{start}, {end}) are only white space")
    return start, end


def parse_relation(relation: Any, where: str) -> Triple:
    """[head, relation, tail], or an object with these keys."""
    if isinstance(relation, list):
        if len(relation) != 3:
            raise DocreError(f"{where}: expected [head, relation, tail], got a list of {len(relation)}")
        relation = dict(zip(("head", "relation", "tail"), relation, strict=True))
    head, tail = get(relation, "head", int, where), get(relation, "tail", int, where)
    return Triple(head, tail, get(relation, "relation", str, where))
