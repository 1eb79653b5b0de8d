"""Readers: functions that read documents from a file, one module per format, registered by name."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docre.data.readers.base import READERS, RecordReader
from docre.documents import Document
from docre.errors import DocreError
from docre.formats import hint

__all__ = ["READERS", "count", "hinting", "iterate", "read"]


def read(path: str | Path, reader: str = "docred") -> Sequence[Document]:
    """The documents in a file, read by the reader called `reader`.

    Raises DocreError for an unknown reader and for an invalid file, with a hint if it looks like another format.
    """
    read_file = READERS[reader]
    with hinting(path, reader):
        return [checked(document, reader) for document in listed(read_file(Path(path)), reader)]


def iterate(path: str | Path, reader: str = "docred") -> Iterator[Document]:
    """`read`, one document after another, without keeping those before (if the reader is a RecordReader)."""
    read_file = READERS[reader]
    with hinting(path, reader):
        if isinstance(read_file, RecordReader):
            for record in read_file.cut(Path(path)):
                yield checked(read_file.parse(record), reader)
        else:
            for document in listed(read_file(Path(path)), reader):
                yield checked(document, reader)


def count(path: str | Path, reader: str = "docred") -> int:
    """The number of documents in a file. They are not checked (if the reader is a RecordReader)."""
    read_file = READERS[reader]
    with hinting(path, reader):
        return sum(1 for _ in (read_file.cut if isinstance(read_file, RecordReader) else read_file)(Path(path)))


def listed(documents: Any, reader: str) -> Iterable[Any]:
    """What a reader returned. Raises DocreError if it is no list or generator."""
    if not isinstance(documents, Iterable):
        raise DocreError(f"reader {reader!r} returned {type(documents).__name__}, expected a list of documents")
    return documents


def checked(document: Any, reader: str) -> Document:
    """A document of a reader. Raises DocreError if it is none, or if its title or its sentences are of other types."""
    if not isinstance(document, Document):
        raise DocreError(f"reader {reader!r} made {type(document).__name__}, expected a docre.Document")
    if not isinstance(document.title, str):
        raise DocreError(f"reader {reader!r}: the title {document.title!r} is no text")
    if any(isinstance(sentence, str) for sentence in document.sentences):
        raise DocreError(f"reader {reader!r}: {document.fail('a sentence is a text, expected a list of words')}")
    return document


@contextmanager
def hinting(path: str | Path, reader: str) -> Iterator[None]:
    """Adds a hint to a DocreError in the block if the file looks like another format than that of the reader."""
    try:
        yield
    except DocreError as error:
        raise DocreError(f"{error}{hint(path, reader)}") from None
