"""Readers, label schemas, features, batches: from files to what the model takes."""

from collections.abc import Sequence
from pathlib import Path

from docre.data.base import READERS
from docre.documents import Document

__all__ = ["READERS", "read"]


def read(path: str | Path, reader: str = "docred") -> Sequence[Document]:
    """The documents of a file in the format called `reader`. Raises DocreError for anything wrong in it."""
    return READERS[reader](Path(path))
