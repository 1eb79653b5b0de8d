"""Readers: one format of documents a file, found by name."""

from collections.abc import Sequence
from pathlib import Path

from docre.data.readers.base import READERS
from docre.documents import Document
from docre.errors import DocreError
from docre.formats import hint

__all__ = ["READERS", "read"]


def read(path: str | Path, reader: str = "docred") -> Sequence[Document]:
    """The documents of a file in the format called `reader`. Raises DocreError for anything wrong in it, and says so
    where it looks like another format."""
    read_it = READERS[reader]
    try:
        return read_it(Path(path))
    except DocreError as error:
        raise DocreError(f"{error}{hint(path, reader)}") from None
