"""Reader and writer of DocRED JSON, the format of DocRED, Re-DocRED, DocGNRE and DWIE, and of `docre convert`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docre.core.files import write_json
from docre.data.readers.base import JSON, READERS, reads
from docre.data.readers.fields import check_keys, describe_type, get, get_optional, parse_integers
from docre.data.readers.records import Record, elements
from docre.documents import Document, Entity, Mention, Triple
from docre.documents.docred import to_json
from docre.errors import DocreError

DOCUMENT_KEYS = ("title", "sents", "vertexSet", "labels", "pairs", "gpt_labels")
MENTION_KEYS = ("name", "sent_id", "pos", "type")
LABEL_KEYS = ("h", "t", "r", "evidence")


@READERS.register("docred")
@reads(elements, JSON)
def read_docred(record: Record) -> Document:
    """Read a JSON list of documents {title, sents, vertexSet, labels?}, the format of Yao et al. (2019).

    `sents` lists the tokens of each sentence; `vertexSet` lists for each entity its mentions {name, sent_id, pos:
    [start, end), type?}; `labels` are {h, t, r, evidence?} with positions of entities. A document without `labels` is
    unlabeled. The optional key `pairs`, docre's extension, lists the candidate pairs as [head, tail]. Other keys are
    ignored, but one that looks misspelled, such as `label`, is an error. Duplicate labels and labels whose head is also
    their tail are kept; both occur in DWIE. Raises DocreError that names file, document and field.
    """
    return read_item(record)[0]


def read_item(record: Record) -> tuple[Document, dict[str, Any]]:
    """The document in a record, and the JSON object that it was read from."""
    item, where = record.parse_json(), f"{record.path}: document {record.number}"
    if not isinstance(item, dict):
        raise DocreError(f"{where}: expected an object, got {describe_type(item)}")
    title = item.get("title")
    if not isinstance(title, str):
        raise DocreError(f"{where}: expected a string in 'title', got {describe_type(title)}")
    try:
        return parse_document(item), item
    except DocreError as error:
        has_title = str(error).startswith("document ")
        raise DocreError(f"{record.path}: {'' if has_title else f'document {title!r}: '}{error}") from None


def write_docred(path: str | Path, documents: Iterable[Document]) -> None:
    """Write documents as DocRED JSON, atomically; `read_docred` reads equal documents back."""
    write_json(path, [to_json(document) for document in documents], indent=None)


def parse_document(item: Mapping[str, Any]) -> Document:
    """The document in a JSON object. Raises DocreError that begins with the field if it is malformed."""
    check_keys(item, DOCUMENT_KEYS, "document")
    sentences = get(item, "sents", list, "document")
    for s, sentence in enumerate(sentences):
        if not isinstance(sentence, list) or not all(isinstance(token, str) for token in sentence):
            raise DocreError(f"sents[{s}]: expected a list of tokens")
    entities = []
    for e, mentions in enumerate(get(item, "vertexSet", list, "document")):
        if not isinstance(mentions, list):
            raise DocreError(f"vertexSet[{e}]: expected a list of mentions, got {describe_type(mentions)}")
        entities.append(Entity(tuple(parse_mention(m, f"vertexSet[{e}][{i}]") for i, m in enumerate(mentions))))
    labels = get_optional(item, "labels", list, "document")
    triples = None if labels is None else [parse_label(label, f"labels[{i}]") for i, label in enumerate(labels)]
    listed = get_optional(item, "pairs", list, "document")
    pairs = None if listed is None else [parse_integers(pair, f"pairs[{i}]", 2) for i, pair in enumerate(listed)]
    return Document(item["title"], sentences, entities, triples, pairs)  # type: ignore[arg-type]


def parse_mention(mention: Any, where: str) -> Mention:
    """The mention in {name, sent_id, pos: [start, end), type?}. Raises DocreError that begins with `where`."""
    check_keys(mention, MENTION_KEYS, where)
    start, end = parse_integers(get(mention, "pos", list, where), f"{where}.pos", 2)
    name, sentence = get(mention, "name", str, where), get(mention, "sent_id", int, where)
    return Mention(name, sentence, start, end, get_optional(mention, "type", str, where, ""))


def parse_label(label: Any, where: str) -> Triple:
    """The triple in a label {h, t, r, evidence?}. Raises DocreError that begins with `where`."""
    check_keys(label, LABEL_KEYS, where)
    head, tail, relation = get(label, "h", int, where), get(label, "t", int, where), get(label, "r", str, where)
    evidence = get_optional(label, "evidence", list, where, [])
    return Triple(head, tail, relation, parse_integers(evidence, f"{where}.evidence"))
