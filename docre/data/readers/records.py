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
    """The text of one document in a file.

    path:   the file.
    number: the document's number in messages: the position in a JSON list, from 0, or the line, from 1.
    offset: position of its first byte in the file.
    size:   number of bytes.
    """

    path: Source
    number: int
    offset: int
    size: int
    text: str

    @property
    def default_title(self) -> str:
        """The title of a document without one: the name of the file, and the number."""
        return f"{stem(self.path)}:{self.number}"

    def parse_json(self) -> Any:
        """The JSON value that the record is. Raises DocreError that names the file and the line."""
        try:
            return parse_json(self.text, str(self.path))
        except DocreError:
            return parse_json(self.text, str(self.path), line_at(self.path, self.offset))  # now with the right line


def lines(path: Source) -> Iterator[Record]:
    """Each line of a file that is not blank. Raises DocreError if the file cannot be read or is not UTF-8."""
    for number, offset, line in raw_lines(path):
        record = decoded(path, number, offset, line)
        if record.text.strip():
            yield record


def raw_lines(path: Source) -> Iterator[tuple[int, int, bytes]]:
    """The number, from 1, the position and the bytes of each line of a file. Raises DocreError if the file cannot be
    read, or a line has more than MAX_RECORD bytes."""
    offset = number = 0
    with opened(path) as file:
        while line := file.readline(MAX_RECORD):
            number += 1
            if len(line) == MAX_RECORD:
                raise too_long(path, f"line {number}")
            start = len(codecs.BOM_UTF8) if offset == 0 and line.startswith(codecs.BOM_UTF8) else 0
            yield number, offset + start, line[start:].removesuffix(b"\n")
            offset += len(line)


def blocks(path: Source) -> Iterator[Record]:
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


def elements(path: Source) -> Iterator[Record]:
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


def top_level_pieces(path: Source) -> Iterator[tuple[int, bytes, bytes]]:
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
            if len(parts) > MAX_RECORD // CHUNK:
                raise too_long(path, f"from byte {offset} on")
    yield offset, b"".join(parts), b""


def decoded(path: Source, number: int, offset: int, content: bytes) -> Record:
    """The record with this content. Raises DocreError if it is not UTF-8."""
    try:
        return Record(path, number, offset, len(content), content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DocreError(f"{path}: not UTF-8 text (byte {offset + error.start})") from None


def too_long(path: Source, where: str) -> DocreError:
    """The error (returned, not raised) for more bytes in one document than MAX_RECORD."""
    return DocreError(f"{path}: {where}: more than {MAX_RECORD >> 20} MiB, too long for one document")


def invalid(path: Source, offset: int, reason: str) -> DocreError:
    """The error (returned, not raised) for JSON that is malformed at a position of the file."""
    return DocreError(f"{path}: line {line_at(path, offset)}: not valid JSON: {reason}")


def line_at(path: Source, offset: int) -> int:
    """The line, from 1, of a position in a file."""
    line = 1
    with opened(path) as file:
        while offset > 0 and (chunk := file.read(min(CHUNK, offset))):
            line += chunk.count(b"\n")
            offset -= len(chunk)
    return line
