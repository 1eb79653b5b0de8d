"""Reader of DWIE in DocRED JSON, without relations of an entity with itself."""

from dataclasses import replace

from docre.data.readers.base import JSON, READERS, reads
from docre.data.readers.docred import read_docred
from docre.data.readers.records import Record, elements
from docre.documents import Document


@READERS.register("dwie")
@reads(elements, JSON)
def read_dwie(record: Record) -> Document:
    """As the reader docred, but labels whose head is also the tail are dropped.

    DWIE has a few of them, and published numbers differ by how they are treated. No model predicts them, since an
    entity is not paired with itself. With the reader docred they stay, and count as relations that were missed, so
    recall cannot reach 100%; with this reader they do not count.
    """
    document = read_docred.parse(record)
    if document.triples is None:
        return document
    return replace(document, triples=[triple for triple in document.triples if triple.head != triple.tail])
