"""Readers: functions that read documents from a file, one module per format, registered by name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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
        return read_file(Path(path))


def iterate(path: str | Path, reader: str = "docred") -> Iterator[Document]:
    """`read`, one document after another, without keeping those before (if the reader is a RecordReader)."""
    read_file = READERS[reader]
    with hinting(path, reader):
        if isinstance(read_file, RecordReader):
            yield from map(read_file.parse, read_file.cut(Path(path)))
        else:
            yield from read_file(Path(path))


def count(path: str | Path, reader: str = "docred") -> int:
    """The number of documents in a file. They are not checked (if the reader is a RecordReader)."""
    read_file = READERS[reader]
    with hinting(path, reader):
        return sum(1 for _ in (read_file.cut if isinstance(read_file, RecordReader) else read_file)(Path(path)))


@contextmanager
def hinting(path: str | Path, reader: str) -> Iterator[None]:
    """Adds a hint to a DocreError in the block if the file looks like another format than that of the reader."""
    try:
        yield
    except DocreError as error:
        raise DocreError(f"{error}{hint(path, reader)}") from None
