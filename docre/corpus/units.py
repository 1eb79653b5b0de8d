"""Cuts a corpus into units of work: some documents each, always the same ones for the same files."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from docre.core.storage import Input, Source, StorageError, opened, suffix
from docre.corpus.blame import blamed
from docre.data.readers.base import RecordReader
from docre.data.readers.records import MAX_RECORD, Record, elements, lines, too_long
from docre.errors import DocreError, first_line
from docre.inference.texts import texts

UNIT_BYTES = 1 << 25  # of the documents of a unit; a unit may have one document more than fits
GROUP_BYTES = 1 << 27  # of the files of a group; larger files are a group of their own


@dataclass(frozen=True)
class Place:
    """A document's place: its file, and its number there (its line, or its position in a list, row or folder)."""

    file: str
    number: int

    @classmethod
    def of(cls, record: Record) -> "Place":
        """Where a record is."""
        return cls(str(record.path), record.number)


@dataclass(frozen=True)
class Rejected:
    """A document that is left out, or the place from where on a file cannot be read, and why."""

    place: Place
    reason: str


@dataclass(frozen=True)
class Unit:
    """Some documents that are predicted together, and written together.

    name:    tells it apart from others, in the order of the corpus.
    records: the text of each document, and where it is.
    unread:  where files could not be read to their end.
    size:    the bytes of the files that it comes from.
    """

    name: str
    records: Sequence[Record]
    unread: Sequence[Rejected]
    size: int

    def to_bytes(self) -> bytes:
        """For another process."""
        records = [(str(r.path), r.number, r.offset, r.size, r.content, r.line, r.error) for r in self.records]
        unread = [(each.place.file, each.place.number, each.reason) for each in self.unread]
        return orjson.dumps([self.name, records, unread, self.size])

    @property
    def digest(self) -> str:
        """The first 16 digits of the SHA-256 of its documents: another one means that its files have changed. How many
        bytes of a compressed file have been read for them depends on the version of Python."""
        return hashlib.sha256(replace(self, size=0).to_bytes()).hexdigest()[:16]

    @classmethod
    def from_bytes(cls, content: bytes) -> "Unit":
        """What `to_bytes` made."""
        name, records, unread, size = orjson.loads(content)
        return cls(
            name,
            [Record(*record) for record in records],
            [Rejected(Place(file, number), reason) for file, number, reason in unread],
            size,
        )


Group = Callable[[], Iterator[Unit]]  # gives the units of some files


def grouped(files: Iterable[Input]) -> list[list[Input]]:
    """The files in groups that can be cut into units independently of each other: small ones together, in order."""
    groups: list[list[Input]] = []
    size = 0
    for file in files:
        if not groups or size + file.size > GROUP_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.size
    return groups


def units(group: int, files: Sequence[Input], reader: RecordReader | None, documents: int) -> Iterator[Unit]:
    """The units of a group of files, each of at most `documents` documents.

    reader: of the documents; None for plain texts (see docre.inference.texts).
    """
    records: list[Record] = []
    unread: list[Rejected] = []
    number = size = before = counted = 0  # the unit's number, the bytes of its records, and of files
    for file in files:
        for found in safely(file, reader):
            if isinstance(found, Rejected):
                unread.append(found)
            else:
                records.append(replace(found, path=file.path))
                size += found.size
            if len(records) + len(unread) >= documents or size >= UNIT_BYTES:
                done = before + file.read
                yield Unit(f"{group:05}-{number:05}", records, unread, done - counted)
                records, unread, size, number, counted = [], [], 0, number + 1, done
        before += file.size
    if records or unread:
        yield Unit(f"{group:05}-{number:05}", records, unread, before - counted)


def safely(file: Input, reader: RecordReader | None) -> Iterator[Record | Rejected]:
    """The records of a file; where it cannot be read on, the last is what is wrong with it. Raises DocreError where it
    is no fault of the file (see `blamed`)."""
    number = -1
    try:
        for record in cut(file, reader):
            number = record.number
            yield record
    except Exception as error:
        reason = f"cannot be read on from here: {blamed(error, file.path)}"
        yield Rejected(Place(file.path, number + 1), reason)


def cut(file: Input, reader: RecordReader | None) -> Iterator[Record]:
    """The records of a file, as its suffix and the reader say."""
    kind = suffix(file)
    if kind == ".parquet":
        return rows(file)
    if reader is None:
        return texts(file)
    if kind == ".jsonl" and reader.cut is elements:
        return lines(file)
    return reader.cut(file)  # type: ignore[arg-type]  # readers take what `opened` takes


def rows(file: Source) -> Iterator[Record]:
    """The rows of a Parquet file, each as the JSON object of its columns. Columns without a value are left out.

    One row is copied at a time: what rows share is in the file once.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        raise DocreError(f"{file}: .parquet files need pyarrow: pip install 'docre[scale]'") from None
    number = 0
    with opened(file) as content:
        try:
            for batch in parquet.ParquetFile(content).iter_batches(batch_size=1):
                for row in batch.to_pylist():
                    yield row_record(file, number, row)
                    number += 1
        except StorageError:
            raise
        except Exception as error:  # pyarrow's own, of many kinds
            raise DocreError(f"{file}: not a Parquet file that can be read: {first_line(error)}") from None


def row_record(file: Source, number: int, row: dict[str, Any]) -> Record:
    """A row as the JSON object of its columns; the record has an error if a column of bytes is not UTF-8 text, or if
    the object is too long."""
    try:
        text = orjson.dumps(without_nothing(row), default=json_value).decode()
    except orjson.JSONEncodeError as error:
        return Record(file, number, 0, 0, "", error=f"{file}: row {number}: {first_line(error.__cause__ or error)}")
    if len(text) >= MAX_RECORD:
        return Record(file, number, 0, 0, "", error=f"{file}: row {number}: {too_long()}")
    return Record(file, number, 0, len(text), text)


def json_value(value: Any) -> Any:
    """Bytes as UTF-8 text, and other values for which JSON has no type (such as dates) as Python prints them."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def without_nothing(row: dict[str, Any]) -> dict[str, Any]:
    """The columns that have a value."""
    return {name: value for name, value in row.items() if value is not None}
