"""Documents as a program may have them at hand: as docre's own, as dicts, as a file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docre.data.readers import docred, jsonl, read
from docre.data.readers.fields import describe_type, get
from docre.documents import Document
from docre.errors import DocreError

DocumentInput = Document | Mapping[str, Any]
DocumentInputs = DocumentInput | Iterable[DocumentInput] | str | Path

EXPECTED = "a docre.Document, or a dict with 'sents' and 'vertexSet' (DocRED) or with 'text' and 'entities' (jsonl)"


def to_documents(given: DocumentInputs, reader: str) -> list[Document]:
    """The documents in a Document, in a dict as the DocRED or the jsonl reader takes it, in an iterable of these, or in
    a file in the format called `reader`. A dict without a title is called "document <position>".

    Raises DocreError, naming the position and the field, for anything else.
    """
    if isinstance(given, str | Path):
        return list(read(given, reader))
    if isinstance(given, Document | Mapping):
        given = [given]
    if not isinstance(given, Iterable):
        raise DocreError(f"expected documents, each {EXPECTED}, or the path of a file; got {describe_type(given)}")
    return [to_document(one, i) for i, one in enumerate(given)]


def to_document(one: DocumentInput, position: int) -> Document:
    """One of them, at this position."""
    if isinstance(one, Document):
        return one
    try:
        if not isinstance(one, Mapping) or not one.keys() & {"sents", "vertexSet", "text", "entities"}:
            raise DocreError(
                f"expected {EXPECTED}, got {describe_type(one)}" + (" without these" * isinstance(one, Mapping))
            )
        item = {"title": f"document {position}", **one}
        get(item, "title", str, "document")
        if item.keys() & {"sents", "vertexSet"}:
            return docred.parse_document(item)
        return jsonl.parse_document(item, item["title"])
    except DocreError as error:
        named = str(error).startswith("document '")
        raise error if named else DocreError(f"document {position}: {error}") from None
