"""The jsonl format: JSON lines of plain text with character offsets, for the user's own data."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from docre.data.readers.base import JSON, READERS, reads
from docre.data.readers.fields import check_keys, describe_type, get, get_optional, parse_integers
from docre.data.readers.records import Record, lines
from docre.documents import Document, Triple
from docre.documents.plain import MAX_COVER, MarkedEntity, check_span, mark
from docre.errors import DocreError, prefixed

DOCUMENT_KEYS = ("title", "text", "entities", "relations")
ENTITY_KEYS = ("type", "mentions")
RELATION_KEYS = ("head", "relation", "tail", "evidence")
CLOSING = frozenset([*".,;:!?)", "'s"])  # tokens without a space before them


@READERS.register("jsonl")
@reads(lines, JSON)
def read_jsonl(record: Record) -> Document:
    """Read one document per line:

        {"title": "...", "text": "...", "entities": [{"type": "...", "mentions": [[start, end], ...]}, ...],
         "relations": [[head, "relation", tail, [[start, end], ...]], ...]}

    Offsets count characters (Unicode code points) of `text`, end excluded. `head` and `tail` are positions in
    `entities`. The spans of a relation are its evidence, the parts of the text that state it, and are optional; a
    relation may also be an object {"head", "relation", "tail", "evidence"}. A document without `relations` is
    unlabeled; an empty list means that no relation holds. The default title is `<file>:<line>`, the default type "".
    Empty lines and other keys (such as `name` or `id`) are ignored, but a key that looks misspelled, such as
    `relation`, is an error.

    The text is split into tokens and sentences (see docre.segmentation). Mention boundaries are always token
    boundaries, and no sentence ends inside a mention. The evidence of a triple is the sentences that its spans overlap.
    Raises DocreError that names file, line and field.
    """
    item, path = record.parse_json(), record.path
    with prefixed(f"{path}: line {record.number}"):
        if not isinstance(item, dict):
            raise DocreError(f"expected an object, got {describe_type(item)}")
        return parse_document(item, record.default_title)


def parse_document(item: dict[str, Any], default_title: str) -> Document:
    """The document in a JSON object. Raises DocreError that begins with the field if it is malformed."""
    check_keys(item, DOCUMENT_KEYS, "document")
    title = get_optional(item, "title", str, "document", default_title)
    text = get(item, "text", str, "document")
    entities = []
    for e, entity in enumerate(get(item, "entities", list, "document")):
        where = f"entities[{e}]"
        check_keys(entity, ENTITY_KEYS, where)
        mentions = get(entity, "mentions", list, where)
        spans = [parse_span(span, text, f"{where}.mentions[{m}]") for m, span in enumerate(mentions)]
        entities.append(MarkedEntity(get_optional(entity, "type", str, where, ""), spans))
    relations = get_optional(item, "relations", list, "document")
    document = mark(title, text, entities)
    if relations is None:
        return document
    assert document.source is not None
    starts, ends, first_tokens = document.source.starts, document.source.ends, document.source.first_tokens

    def overlapping(start: int, end: int) -> range:
        """The sentences that the characters [start, end) of the text overlap."""
        first, last = bisect_right(ends, start), bisect_left(starts, end) - 1  # tokens
        return range(bisect_right(first_tokens, first) - 1, bisect_right(first_tokens, last))

    triples, room = [], MAX_COVER * (len(document.sentences) + 1000)
    for i, relation in enumerate(relations):
        triples.append(parse_relation(relation, text, overlapping, f"relations[{i}]"))
        room -= len(triples[-1].evidence)
        if room < 0:
            raise DocreError(f"relations[{i}]: the evidence so far has {MAX_COVER} times the sentences of the text")
    return replace(document, triples=triples)


def parse_span(span: Any, text: str, where: str) -> tuple[int, int]:
    """The span [start, end) of `text`, in characters. Raises DocreError if it is not inside the text, or is blank."""
    start, end = parse_integers(span, where, 2)
    check_span(start, end, text, where)
    return start, end


def parse_relation(relation: Any, text: str, sentences_of: Callable[[int, int], Iterable[int]], where: str) -> Triple:
    """The triple in [head, relation, tail], [head, relation, tail, evidence], or an object with these keys. Evidence is
    a list of spans of `text`; `sentences_of` maps a span to the sentences that it overlaps."""
    if isinstance(relation, list):
        if len(relation) not in (3, 4):
            raise DocreError(
                f"{where}: expected [head, relation, tail] or [head, relation, tail, evidence], "
                f"got a list of {len(relation)}"
            )
        relation = dict(zip(RELATION_KEYS, relation, strict=False))
    check_keys(relation, RELATION_KEYS, where)
    head, tail = get(relation, "head", int, where), get(relation, "tail", int, where)
    name = get(relation, "relation", str, where)
    evidence: set[int] = set()
    for i, span in enumerate(get_optional(relation, "evidence", list, where, [])):
        if not isinstance(span, list):
            raise DocreError(
                f"{where}.evidence: expected spans of the text, [[start, end], ...], got {describe_type(span)}"
            )
        evidence.update(sentences_of(*parse_span(span, text, f"{where}.evidence[{i}]")))
    return Triple(head, tail, name, tuple(sorted(evidence)))


def to_json(document: Document) -> dict[str, Any]:
    """A document as an object of this format. Its text is the tokens, with spaces between them but before punctuation;
    read back, it has the same mentions and triples, but its tokens and sentences are divided by docre.segmentation, and
    evidence sentences without text are left out. Raises DocreError for a mention that is only white space."""
    text = ""
    spans: list[list[tuple[int, int]]] = []  # of each token of each sentence
    for sentence in document.sentences:
        spans.append([])
        for token in sentence:
            text += " " * (bool(text) and token not in CLOSING and not text.endswith("("))
            spans[-1].append((len(text), len(text) + len(token)))
            text += token
    entities = []
    for e, entity in enumerate(document.entities):
        mentions = [[spans[m.sentence][m.start][0], spans[m.sentence][m.end - 1][1]] for m in entity.mentions]
        if any(not text[start:end].strip() for start, end in mentions):
            raise document.fail(f"entity {e}: a mention is only white space, which this format does not have")
        entities.append({"type": entity.type, "mentions": mentions})
    item = {"title": document.title, "text": text, "entities": entities}
    if document.triples is None:
        return item
    has_text = [any(token.strip() for token in sentence) for sentence in document.sentences]
    evidence = [
        [[spans[s][0][0], spans[s][-1][1]] for s in triple.evidence if has_text[s]] for triple in document.triples
    ]
    relations = [[t.head, t.relation, t.tail, spans] for t, spans in zip(document.triples, evidence, strict=True)]
    return item | {"relations": relations}
