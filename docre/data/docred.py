"""DocRED JSON, the format of DocRED, Re-DocRED, DocGNRE and DWIE (and what `python -m docre.convert` writes)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docre.data.base import READERS
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from docre.files import read_json


@READERS.register("docred")
def read_docred(path: Path) -> list[Document]:
    """A JSON list of {title, sents, vertexSet, labels?}: the format of Yao et al. 2019.

    `sents` are token lists; `vertexSet` holds for each entity its mentions {name, sent_id, pos: [start, end), type};
    `labels` are {h, t, r, evidence?} with entity indices. A document without the key `labels` is unlabelled. A key
    `pairs` of [head, tail] lists, ours, restricts the candidate pairs. Other keys are ignored.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise DocreError(f"{path}: expected a JSON list of documents, got {kind(content)}")
    documents = []
    for i, item in enumerate(content):
        if not isinstance(item, dict):
            raise DocreError(f"{path}: document {i}: expected an object, got {kind(item)}")
        title = item.get("title")
        if not isinstance(title, str):
            raise DocreError(f"{path}: document {i}: expected a text in 'title', got {kind(title)}")
        try:
            documents.append(parse_document(item))
        except DocreError as error:
            named = str(error).startswith("document ")
            raise DocreError(f"{path}: {error}" if named else f"{path}: document {title!r}: {error}") from None
    return documents


def parse_document(item: Mapping[str, Any]) -> Document:
    """One document of the file. Raises DocreError, beginning with the field, where it is malformed."""
    sentences = get(item, "sents", list, "document")
    for s, sentence in enumerate(sentences):
        if not isinstance(sentence, list) or not all(isinstance(token, str) for token in sentence):
            raise DocreError(f"sents[{s}]: expected a list of tokens")
    entities = []
    for e, mentions in enumerate(get(item, "vertexSet", list, "document")):
        if not isinstance(mentions, list):
            raise DocreError(f"vertexSet[{e}]: expected a list of mentions, got {kind(mentions)}")
        entities.append(Entity(tuple(parse_mention(m, f"vertexSet[{e}][{i}]") for i, m in enumerate(mentions))))
    triples = None
    if item.get("labels") is not None:
        labels = get(item, "labels", list, "document")
        triples = [parse_label(label, f"labels[{i}]") for i, label in enumerate(labels)]
    pairs = None
    if item.get("pairs") is not None:
        listed = get(item, "pairs", list, "document")
        pairs = [integers(pair, f"pairs[{i}]", 2) for i, pair in enumerate(listed)]
    return Document(item["title"], sentences, entities, triples, pairs)  # type: ignore[arg-type]


def parse_mention(mention: Any, where: str) -> Mention:
    """A mention {name, sent_id, pos: [start, end), type}."""
    start, end = integers(get(mention, "pos", list, where), f"{where}.pos", 2)
    name, sentence = get(mention, "name", str, where), get(mention, "sent_id", int, where)
    return Mention(name, sentence, start, end, mention.get("type") or "")


def parse_label(label: Any, where: str) -> Triple:
    """A label {h, t, r, evidence?}."""
    head, tail, relation = get(label, "h", int, where), get(label, "t", int, where), get(label, "r", str, where)
    evidence = label.get("evidence") or []
    return Triple(head, tail, relation, integers(evidence, f"{where}.evidence"))


def get(item: Any, key: str, expected: type, where: str) -> Any:
    """item[key]. Raises DocreError where `item` is no object, or the value is missing or not of the type."""
    if not isinstance(item, Mapping):
        raise DocreError(f"{where}: expected an object, got {kind(item)}")
    value = item.get(key)
    if type(value) is not expected:
        raise DocreError(f"{where}: expected {NAMES[expected]} in {key!r}, got {kind(value)}")
    return value


def integers(value: Any, where: str, length: int | None = None) -> tuple[int, ...]:
    """A list of integers (of the given length) as a tuple. Raises DocreError for anything else."""
    if not isinstance(value, list) or not all(type(x) is int for x in value) or length not in (None, len(value)):
        raise DocreError(f"{where}: expected a list of {f'{length} ' if length else ''}integers")
    return tuple(value)


NAMES: dict[type, str] = {str: "a text", int: "an integer", list: "a list", dict: "an object"}


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return "nothing" if value is None else NAMES.get(type(value), f"a {type(value).__name__}")
