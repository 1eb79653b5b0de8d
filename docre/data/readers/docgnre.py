"""Reader of DocGNRE's training files: Re-DocRED with labels proposed by a language model (Li, Jia, Zheng 2023)."""

from dataclasses import replace
from typing import Any

from docre.core.storage import Source
from docre.data.readers.base import JSON, READERS, reads
from docre.data.readers.docred import parse_label, read_item
from docre.data.readers.fields import get_optional
from docre.data.readers.records import Record, elements
from docre.documents import Document
from docre.errors import DocreError, prefixed


@READERS.register("docgnre")
@reads(elements, JSON)
def read_docgnre(record: Record) -> Document:
    """DocRED JSON whose documents may have additional labels in `gpt_labels`, each {h, t, r, score}.

    Proposed labels that the document has already, and those whose head is also their tail, are dropped, as in the
    published code. The reader `docred` reads the same files without the proposed labels.
    """
    return add_labels(record.path, *read_item(record))


def add_labels(path: Source, document: Document, item: dict[str, Any]) -> Document:
    """A copy of `document` with the `gpt_labels` of `item`, its JSON object, added to its labels."""
    try:
        proposed = get_optional(item, "gpt_labels", list, "document", [])
        triples = [parse_label(label, f"gpt_labels[{i}]") for i, label in enumerate(proposed)]
    except DocreError as error:
        raise DocreError(f"{path}: {document.fail(str(error))}") from None
    merged = {(t.head, t.tail, t.relation): t for t in triples if t.head != t.tail}
    for triple in document.triples or ():
        merged.pop((triple.head, triple.tail, triple.relation), None)
    with prefixed(path):
        return replace(document, triples=[*(document.triples or ()), *merged.values()]) if proposed else document
