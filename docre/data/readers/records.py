"""Cuts files into records, the text of one document each, in one pass that holds only a part of the file in memory."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from docre.core.files import parse_json
from docre.core.storage import Source, opened, stem
from docre.data.readers.fields import describe_type
from docre.errors import DocreError

CHUNK = 1 << 16  # bytes that are read at once
MAX_RECORD = 1 << 26  # bytes of one document
BLANKS = b" \t\n\r"  # white space in JSON
QUOTE, COMMA, OPEN, CLOSE = b'",{}'
STEP = np.zeros(256, dtype=np.int8)  # what a byte adds to the depth of nesting
STEP[list(b"[{")], STEP[list(b"]}")] = 1, -1


@dataclass(frozen=True, slots=True)
class Record:
    """The text of one document in a file, or why it has none: what is wrong with one document keeps nobody from reading
    those after it.

    path:    the file.
    number:  the document's number in messages: the position in a JSON list, from 0, or the line, from 1.
    offset:  position of its first byte in the file.
    size:    number of bytes.
    content: the text.
    line:    the line of the file that it begins in, from 1.
    error:   why the text cannot be read; None if it can.
    """

    path: Source
    number: int
    offset: int
    size: int
    content: str
    line: int = 1
    error: str | None = None

    @property
    def text(self) -> str:
        """The text. Raises DocreError that names the file if it cannot be read."""
        if self.error is not None:
            raise DocreError(self.error)
        return self.content

    @property
    def default_title(self) -> str:
        """The title of a document without one: the name of the file, and the number."""
        return f"{stem(self.path)}:{self.number}"

    def parse_json(self) -> Any:
        """The JSON value that the record is. Raises DocreError that names the file and the line."""
        return parse_json(self.text, str(self.path), self.line)


def lines(path: Source) -> Iterator[Record]:
    """Each line of a file that is not blank. Raises DocreError if the file cannot be read."""
    for number, offset, line in raw_lines(path):
        record = decoded(path, number, offset, line, number)
        if record.error or record.content.strip():
            yield record


def raw_lines(path: Source) -> Iterator[tuple[int, int, bytes]]:
    """The number, from 1, the position and the bytes of each line of a file, of which MAX_RECORD at most. Raises
    DocreError if the file cannot be read."""
    offset = number = 0
    with opened(path) as file:
        while line := file.readline(MAX_RECORD):
            number += 1
            start = len(codecs.BOM_UTF8) if offset == 0 and line.startswith(codecs.BOM_UTF8) else 0
            yield number, offset + start, line[start:].removesuffix(b"\n")
            offset += len(line)
            while not line.endswith(b"\n") and (line := file.readline(CHUNK)):  # what is left of a long line
                offset += len(line)


def blocks(path: Source) -> Iterator[Record]:
    """Each run of lines that are not blank; its number is that of its first line. Raises DocreError as `lines` does."""
    first, size = (0, 0), 0
    parts: list[bytes] = []
    for number, offset, line in chain(raw_lines(path), [(0, 0, b"")]):
        if line.strip():
            if not parts:
                first, size = (number, offset), 0
            if size <= MAX_RECORD:
                parts.append(line)
                size += len(line) + 1
        elif parts:
            yield decoded(path, *first, b"\n".join(parts), first[0])
            parts = []


def elements(path: Source) -> Iterator[Record]:
    """Each element of the JSON list that a file holds, white space around it included.

    Whoever parses every record as JSON has checked the whole file: what is between the records is checked here. Raises
    DocreError if that is malformed, or the file holds another value or cannot be read.
    """
    pieces = top_level_pieces(path)
    offset, line, before, delimiter = next(pieces)
    before = before.removeprefix(codecs.BOM_UTF8)
    if before.strip(BLANKS) or delimiter != b"[":
        value = {} if delimiter == b"{" else decoded(path, 0, offset, before, line).parse_json()
        raise DocreError(f"{path}: expected a JSON list of documents, got {describe_type(value)}")
    for number, (offset, line, content, delimiter) in enumerate(pieces):
        if delimiter == b"]" and number == 0 and not content.strip(BLANKS):
            break
        record = decoded(path, number, offset, content, line)
        if delimiter not in (b",", b"]"):
            record.parse_json()  # knows better what is wrong
            raise invalid(path, line + content.count(b"\n"), "expected ',' or ']' after an element of the list")
        yield record
        if delimiter == b"]":
            break
    _, line, after, delimiter = next(pieces)
    if after.strip(BLANKS) or delimiter:
        raise invalid(path, line, "unexpected text after the list")


def top_level_pieces(path: Source) -> Iterator[tuple[int, int, bytes, bytes]]:
    """What stands between the delimiters of the outermost JSON list: (offset, line, content, the delimiter that ends
    it). The content is cut off where it is longer than MAX_RECORD.

    Delimiters are the bracket that opens the list, the commas between its elements and the bracket that closes it; the
    last piece ends with the file, and has b"". Of malformed JSON no byte is lost, but it may be cut anywhere.
    """
    depth, quoted = 0, False
    read, line = 0, 1  # where the chunk begins
    place, size = (0, 1), 0  # where the piece begins, and how much is kept of it
    parts: list[bytes] = []
    held = b""
    with opened(path) as file:
        while (more := file.read(CHUNK)) or held:
            chunk, held = held + more, b""
            if more and (len(chunk) - len(chunk.rstrip(b"\\"))) % 2:  # no escape sequence is divided
                chunk, held = chunk[:-1], chunk[-1:]
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
                yield *place, b"".join(parts), chunk[end : end + 1]
                line += chunk.count(b"\n", start, end)
                parts, start, size, place = [], end + 1, 0, (read + end + 1, line)
            if size <= MAX_RECORD:
                parts.append(chunk[start:])
                size += len(chunk) - start
            line += chunk.count(b"\n", start)
            read += len(chunk)
    yield *place, b"".join(parts), b""


def decoded(path: Source, number: int, offset: int, content: bytes, line: int = 1) -> Record:
    """The record with this content, or with the error that it is not UTF-8, or too long for one document."""
    try:
        if len(content) < MAX_RECORD:
            return Record(path, number, offset, len(content), content.decode("utf-8"), line)
        error = f"line {line}: {too_long()}"
    except UnicodeDecodeError as invalid:
        error = f"not UTF-8 text (byte {offset + invalid.start})"
    return Record(path, number, offset, len(content), "", line, f"{path}: {error}")


def too_long() -> str:
    """What is wrong with a document of MAX_RECORD bytes or more."""
    return f"more than {MAX_RECORD >> 20} MiB, too long for one document"


def invalid(path: Source, line: int, reason: str) -> DocreError:
    """The error (returned, not raised) for JSON that is malformed in a line of the file."""
    return DocreError(f"{path}: line {line}: not valid JSON: {reason}")
