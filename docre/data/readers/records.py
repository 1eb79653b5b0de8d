"""Cuts files into records, the text of one document each, in one pass that holds only a part of the file in memory."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from docre.core.files import parse_json
from docre.data.readers.fields import describe_type
from docre.errors import DocreError

CHUNK = 1 << 16  # bytes that are read at once
BLANKS = b" \t\n\r"  # white space in JSON
QUOTE, COMMA, OPEN, CLOSE = b'",{}'
STEP = np.zeros(256, dtype=np.int8)  # what a byte adds to the depth of nesting
STEP[list(b"[{")], STEP[list(b"]}")] = 1, -1


@dataclass(frozen=True, slots=True)
class Record:
    """The text of one document in a file.

    path:   the file.
    number: the document's number in messages: the position in a JSON list, from 0, or the line, from 1.
    offset: position of its first byte in the file.
    size:   number of bytes.
    """

    path: Path
    number: int
    offset: int
    size: int
    text: str

    def parse_json(self) -> Any:
        """The JSON value that the record is. Raises DocreError that names the file and the line."""
        try:
            return parse_json(self.text, str(self.path))
        except DocreError:
            return parse_json(self.text, str(self.path), line_at(self.path, self.offset))  # now with the right line


def lines(path: Path) -> Iterator[Record]:
    """Each line of a file that is not blank. Raises DocreError if the file cannot be read or is not UTF-8."""
    offset = 0
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            start = len(codecs.BOM_UTF8) if offset == 0 and line.startswith(codecs.BOM_UTF8) else 0
            record = decoded(path, number, offset + start, line[start:].removesuffix(b"\n"))
            offset += len(line)
            if record.text.strip():
                yield record


def blocks(path: Path) -> Iterator[Record]:
    """Each run of lines that are not blank; its number is that of its first line. Raises DocreError as `lines` does."""
    offset = start = number = 0
    parts: list[bytes] = []
    with opened(path) as file:
        for line_number, line in enumerate(chain(file, [b""]), 1):
            content = line.removeprefix(codecs.BOM_UTF8) if offset == 0 else line
            if content.strip():
                if not parts:
                    start, number = offset + len(line) - len(content), line_number
                parts.append(content)
            elif parts:
                yield decoded(path, number, start, b"".join(parts))
                parts = []
            offset += len(line)


def elements(path: Path) -> Iterator[Record]:
    """Each element of the JSON list that a file holds, white space around it included.

    Whoever parses every record as JSON has checked the whole file: what is between the records is checked here. Raises
    DocreError if that is malformed, or the file holds another value, cannot be read or is not UTF-8.
    """
    pieces = top_level_pieces(path)
    offset, before, delimiter = next(pieces)
    before = before.removeprefix(codecs.BOM_UTF8)
    if before.strip(BLANKS) or delimiter != b"[":
        value = {} if delimiter == b"{" else decoded(path, 0, offset, before).parse_json()
        raise DocreError(f"{path}: expected a JSON list of documents, got {describe_type(value)}")
    for number, (offset, content, delimiter) in enumerate(pieces):
        if delimiter == b"]" and number == 0 and not content.strip(BLANKS):
            break
        record = decoded(path, number, offset, content)
        if delimiter not in (b",", b"]"):
            record.parse_json()  # knows better what is wrong
            raise invalid(path, offset + len(content), "expected ',' or ']' after an element of the list")
        yield record
        if delimiter == b"]":
            break
    offset, after, delimiter = next(pieces)
    if after.strip(BLANKS) or delimiter:
        raise invalid(path, offset, "unexpected text after the list")


def top_level_pieces(path: Path) -> Iterator[tuple[int, bytes, bytes]]:
    """What stands between the delimiters of the outermost JSON list: (offset, content, the delimiter that ends it).

    Delimiters are the bracket that opens the list, the commas between its elements and the bracket that closes it; the
    last piece ends with the file, and has b"". Of malformed JSON no byte is lost, but it may be cut anywhere.
    """
    offset, depth, quoted = 0, 0, False
    parts: list[bytes] = []  # of the current piece
    with opened(path) as file:
        while chunk := file.read(CHUNK):
            while chunk.endswith(b"\\") and (more := file.read(CHUNK)):  # no escape sequence is divided
                chunk += more
            plain = chunk.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in chunk else chunk
            code = np.frombuffer(plain, dtype=np.uint8)
            brace = code | 32  # makes braces of brackets, and of nothing else
            position = np.flatnonzero((code == QUOTE) | (code == COMMA) | (brace == OPEN) | (brace == CLOSE))
            code = code[position]
            in_string = (np.cumsum(code == QUOTE, dtype=np.uint8) + quoted) % 2 == 1  # an odd number of quotes before
            code[in_string] = QUOTE
            step = STEP[code]
            depths = depth + np.cumsum(step)
            cut = (code != QUOTE) & (depths <= (step >= 0))
            if len(position):
                depth, quoted = int(depths[-1]), bool(in_string[-1])
            start = 0
            for end in position[cut].tolist():
                parts.append(chunk[start:end])
                content = b"".join(parts)
                yield offset, content, chunk[end : end + 1]
                offset += len(content) + 1
                parts, start = [], end + 1
            parts.append(chunk[start:])
    yield offset, b"".join(parts), b""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, opened for reading bytes. Raises DocreError if it cannot be opened or read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise DocreError(f"{path}: {error.strerror or error}") from None


def decoded(path: Path, number: int, offset: int, content: bytes) -> Record:
    """The record with this content. Raises DocreError if it is not UTF-8."""
    try:
        return Record(path, number, offset, len(content), content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DocreError(f"{path}: not UTF-8 text (byte {offset + error.start})") from None


def invalid(path: Path, offset: int, reason: str) -> DocreError:
    """The error (returned, not raised) for JSON that is malformed at a position of the file."""
    return DocreError(f"{path}: line {line_at(path, offset)}: not valid JSON: {reason}")


def line_at(path: Path, offset: int) -> int:
    """The line, from 1, of a position in a file."""
    line = 1
    with opened(path) as file:
        while offset > 0 and (chunk := file.read(min(CHUNK, offset))):
            line += chunk.count(b"\n")
            offset -= len(chunk)
    return line
