"""Plain texts in files: a .jsonl file has an object with a text in each line, and any other file is a text."""

import codecs
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from docre.core.files import is_unicode
from docre.core.storage import Source, opened, suffix
from docre.data.readers.fields import check_keys
from docre.data.readers.jsonl import parse_document
from docre.data.readers.records import Record, decoded, lines
from docre.errors import DocreError, prefixed
from docre.inference.extract import MAX_CHARACTERS, Text, check_text

OBJECTS = (".json", ".jsonl", ".parquet")  # suffixes of files whose records are JSON objects
KEYS = ("title", "text", "entities")  # of an object; others are ignored
MAX_BYTES = 4 * MAX_CHARACTERS  # of a text in UTF-8


def texts(path: Source) -> Iterator[Record]:
    """The records of a file with texts (`text_in` tells the text in each). Raises DocreError if it cannot be read."""
    return lines(path) if suffix(path) in OBJECTS else whole(path)


def whole(path: Source) -> Iterator[Record]:
    """The file as the only record, with number 0, without a byte order mark. Not more of it is read than one text may
    have. Raises DocreError if it cannot be read."""
    with opened(path) as file:
        content = file.read(len(codecs.BOM_UTF8) + MAX_BYTES + 1)
    text = content.removeprefix(codecs.BOM_UTF8)
    if len(text) > MAX_BYTES:
        error = f"{path}: more than {MAX_CHARACTERS:,} characters, which one text may have: divide it"
        yield Record(path, 0, 0, 0, "", error=error)
    else:
        yield decoded(path, 0, len(content) - len(text), text)


def text_in(record: Record) -> Text:
    """The text in a record of `texts` with its title; a Document if it has entities. Raises DocreError that names the
    file, and the line, if there is none, or it is empty or too long."""
    if suffix(record.path) not in OBJECTS:
        if "\0" in record.text:
            raise DocreError(f"{record.path}: a binary file, not a text")
        if not is_unicode(str(record.path)):
            raise DocreError(f"{str(record.path)!a}: the name of the file is not UTF-8")
        with prefixed(record.path):
            check_text(record.text)
        return PurePosixPath(str(record.path)).name, record.text
    item = record.parse_json()
    with prefixed(f"{record.path}: line {record.number}"):
        return text_of(item, record.default_title)


def text_of(item: Any, default_title: str) -> Text:
    """The text in a JSON object with `text`, and perhaps `title` and `entities`: a Document if it has entities. Raises
    DocreError that begins with the field if it is malformed."""
    if not isinstance(item, dict):
        raise DocreError("expected an object with 'text'")
    check_keys(item, KEYS, "document")
    given = {key: value for key, value in item.items() if key in KEYS and value is not None}
    document = parse_document({"entities": []} | given, default_title)
    check_text(given["text"])
    return document if "entities" in given else (document.title, given["text"])
