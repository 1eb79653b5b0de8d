"""The registry of readers, and readers whose files can be read one document at a time."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import update_wrapper
from pathlib import Path

from docre.core.registry import Registry
from docre.data.readers.records import Record
from docre.documents import Document

Reader = Callable[[Path], Sequence[Document]]

# A reader is a function `(path: Path) -> list[Document]` with the decorator `@READERS.register("name")`. It raises
# DocreError that names the file, the document and the field for anything that its format does not allow. A format whose
# files are divided into documents is better read by a RecordReader, which `data.stream` and corpora need:
#
#     @READERS.register("name")
#     @reads(lines)
#     def read_name(record: Record) -> Document:
READERS: "Registry[Sequence[Document]]" = Registry("reader", "docre.data.readers")

JSON = (".json", ".jsonl", ".parquet")
ANY = (*JSON, ".txt", ".xml")


class RecordReader:
    """A reader that reads a file one document at a time, and any document of it again.

    cut:      yields the records of a file (as `records.lines` does).
    parse:    makes a document of a record.
    suffixes: of the files in a folder that the reader takes for its own.

    `cut` and `parse` raise DocreError that names the file.
    """

    def __init__(
        self,
        cut: Callable[[Path], Iterator[Record]],
        parse: Callable[[Record], Document],
        suffixes: Collection[str] = ANY,
    ) -> None:
        self.cut = cut
        self.parse = parse
        self.suffixes = suffixes
        update_wrapper(self, parse)

    def __call__(self, path: Path) -> list[Document]:
        return [self.parse(record) for record in self.cut(path)]

    def __reduce__(self) -> str:
        """Pickled as the global name of the function that it decorates."""
        return str(self.__qualname__)  # type: ignore[attr-defined]  # set by update_wrapper


def reads(
    cut: Callable[[Path], Iterator[Record]], suffixes: Collection[str] = ANY
) -> Callable[[Callable[[Record], Document]], RecordReader]:
    """Decorator that makes a RecordReader of a function `(record) -> document`."""
    return lambda parse: RecordReader(cut, parse, suffixes)
