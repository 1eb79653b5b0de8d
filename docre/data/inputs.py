"""The forms in which Python code may pass documents to docre: Document objects, dicts, or the path of a file."""

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


def to_documents(inputs: DocumentInputs, reader: str) -> list[Document]:
    """The documents of `inputs`: one Document, one dict in the form of a DocRED or jsonl document, an iterable of
    these, or the path of a file for the reader called `reader`. A dict without a title gets "document <position>".

    Raises DocreError that names the position and the field for anything else.
    """
    if isinstance(inputs, str | Path):
        return list(read(inputs, reader))
    if isinstance(inputs, Document | Mapping):
        inputs = [inputs]
    if not isinstance(inputs, Iterable):
        raise DocreError(f"expected documents, each {EXPECTED}, or the path of a file; got {describe_type(inputs)}")
    return [to_document(value, i) for i, value in enumerate(inputs)]


def to_document(value: DocumentInput, position: int) -> Document:
    """The Document for one input, which stands at `position` (from 0)."""
    if isinstance(value, Document):
        return value
    try:
        if not isinstance(value, Mapping) or not value.keys() & {"sents", "vertexSet", "text", "entities"}:
            raise DocreError(
                f"expected {EXPECTED}, got {describe_type(value)}" + (" without these" * isinstance(value, Mapping))
            )
        item = {"title": f"document {position}", **value}
        get(item, "title", str, "document")
        if item.keys() & {"sents", "vertexSet"}:
            return docred.parse_document(item)
        return jsonl.parse_document(item, item["title"])
    except DocreError as error:
        has_title = str(error).startswith("document '")
        raise error if has_title else DocreError(f"document {position}: {error}") from None
