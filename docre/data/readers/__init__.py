"""Readers: functions that read documents from a file, one module per format, registered by name."""

from collections.abc import Sequence
from pathlib import Path

from docre.data.readers.base import READERS
from docre.documents import Document
from docre.errors import DocreError
from docre.formats import hint

__all__ = ["READERS", "read"]


def read(path: str | Path, reader: str = "docred") -> Sequence[Document]:
    """The documents in a file, read by the reader called `reader`.

    Raises DocreError for an unknown reader and for an invalid file, with a hint if it looks like another format.
    """
    read_file = READERS[reader]
    try:
        return read_file(Path(path))
    except DocreError as error:
        raise DocreError(f"{error}{hint(path, reader)}") from None
