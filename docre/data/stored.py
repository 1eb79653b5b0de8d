"""Documents that stay in their file, and are read again whenever they are needed: for corpora larger than memory."""

import os
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from docre.core.storage import COMPRESSED, opened
from docre.data.features import Features, Featurizer
from docre.data.readers import READERS, checked, hinting, read
from docre.data.readers.base import RecordReader
from docre.data.readers.records import decoded
from docre.documents import Document
from docre.errors import DocreError


class StoredDocuments(Sequence[Document]):
    """The documents of a file as a sequence that holds only where each of them is, in 24 bytes a document.

    Processes and threads may share it. Each document is read strictly, with the errors of its reader.

    path:   the file, which must not change meanwhile.
    reader: the name of its reader, a RecordReader.
    visit:  called with each document while the file is read for the first time, here.

    Raises DocreError for an invalid file, and for a reader that can read a file only as a whole.
    """

    def __init__(
        self, path: str | Path, reader: str = "docred", visit: Callable[[Document], None] = lambda document: None
    ) -> None:
        self.path = Path(path)
        self.reader_name = reader
        read = READERS[reader]
        if not isinstance(read, RecordReader):
            raise DocreError(f"{path}: the reader {reader!r} reads only whole files, so they cannot be streamed")
        if self.path.suffix.lower() in COMPRESSED:
            raise DocreError(f"{path}: documents are read from anywhere in the file: decompress it first")
        self.reader = read
        places = array("q")
        with hinting(path, reader):
            with opened(self.path) as file:
                self._version = version(file.fileno())
            for record in read.cut(self.path):
                visit(checked(read.parse(record), reader))
                places.extend((record.number, record.offset, record.size))
        self._places = np.array(places, dtype=np.int64).reshape(-1, 3)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Document:  # type: ignore[override]  # no slices
        number, offset, size = self._places[index].tolist()
        with opened(self.path) as file:
            if version(file.fileno()) != self._version:
                raise DocreError(f"{self.path}: changed since the command began to read it")
            file.seek(offset)
            content = file.read(size)
        with hinting(self.path, self.reader_name):
            return checked(self.reader.parse(decoded(self.path, number, offset, content)), self.reader_name)


def open_documents(
    path: str | Path, reader: str, visit: Callable[[Document], None] = lambda document: None
) -> Sequence[Document]:
    """The documents of a file, stored if the reader can do that, and otherwise in memory. `visit`: see
    StoredDocuments."""
    if isinstance(READERS[reader], RecordReader):
        return StoredDocuments(path, reader, visit)
    documents = read(path, reader)
    for document in documents:
        visit(document)
    return documents


class LazyFeatures(Sequence[Features]):
    """The features of documents, each computed whenever it is asked for.

    max_tokens: maximum number of tokens of a document.
    """

    def __init__(self, documents: Sequence[Document], featurize: Featurizer, max_tokens: int) -> None:
        self.documents = documents
        self.featurize = featurize
        self.max_tokens = max_tokens

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, index: int) -> Features:  # type: ignore[override]  # no slices
        (features,) = self.featurize([self.documents[index]], self.max_tokens)
        return features


def version(descriptor: int) -> tuple[int, int]:
    """What changes when the content of an opened file does: its size, and the time of the last change."""
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
