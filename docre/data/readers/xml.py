"""XML from strangers: it declares neither entities nor attributes, no other file is read, nothing is nested deeply."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from docre.core.storage import Source, opened
from docre.data.readers.records import CHUNK, MAX_RECORD, Record, decoded, too_long
from docre.errors import DocreError

DEEPEST = 50  # levels of elements


@dataclass
class Element:
    """An element; `text` is all characters in it but outside of its children."""

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    text: str = ""


def cut_documents(path: Source) -> Iterator[Record]:
    """Each `document` element of an XML file, as a record with its number from 0.

    Raises DocreError if the file cannot be read, is not well-formed XML in UTF-8, is no `collection`, declares entities
    or attributes, is nested more than DEEPEST levels deep, or has a document of more than MAX_RECORD bytes.
    """
    spans: list[list[int]] = []  # [start, end) of documents in the file; the last one may lack its end
    parser = safe_parser(path)
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 1 and name != "collection":
            raise DocreError(f"{path}: expected a <collection> of documents, got <{name}>")
        if depth > DEEPEST:
            raise DocreError(f"{path}: more than {DEEPEST} elements inside each other")
        if depth == 2 and name == "document":
            spans.append([parser.CurrentByteIndex])

    def end(name: str) -> None:
        nonlocal depth
        if depth == 2 and name == "document":
            spans[-1].append(parser.CurrentByteIndex)
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    kept, kept_from, number = b"", 0, 0  # what of the file is still needed
    with opened(path) as file:
        while True:
            chunk = file.read(CHUNK)
            parse(parser, chunk, path)
            kept += chunk
            while spans and len(spans[0]) == 2:
                first, last = (position - kept_from for position in spans.pop(0))
                if kept.startswith(b"</document", last):  # or else <document/>, after which `last` is
                    last = kept.index(b">", last) + 1
                yield decoded(path, number, kept_from + first, kept[first:last])
                number += 1
                kept, kept_from = kept[last:], kept_from + last
            if not spans and (done := parser.CurrentByteIndex) > kept_from:
                kept, kept_from = kept[done - kept_from :], done
            if len(kept) > MAX_RECORD:
                raise DocreError(f"{path}: document {number}: {too_long()}")
            if not chunk:
                return


def parse_element(record: Record) -> Element:
    """The element in a record of `cut_documents`. Raises DocreError if it is not well-formed."""
    root = Element("", {})
    path = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        path[-1].children.append(Element(name, attributes))
        path.append(path[-1].children[-1])

    def characters(text: str) -> None:
        path[-1].text += text

    parser = safe_parser(record.path)
    parser.buffer_text = True
    parser.StartElementHandler, parser.CharacterDataHandler = start, characters
    parser.EndElementHandler = lambda name: path.pop()
    parse(parser, record.text.encode("utf-8"), record.path)
    parse(parser, b"", record.path)
    return root.children[0]


def safe_parser(path: Source) -> Any:
    """A parser that refuses declared entities and attributes (whose values may expand to gigabytes), and any encoding
    but UTF-8. It reads no other file: what a DOCTYPE names is ignored."""
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise DocreError(f"{path}: declares entities or attributes, which is not allowed")

    def check_encoding(version: str, encoding: str | None, standalone: int) -> None:
        if (encoding or "utf-8").lower() not in ("utf-8", "us-ascii", "ascii"):
            raise DocreError(f"{path}: expected UTF-8, got {encoding}")

    parser.EntityDeclHandler = parser.AttlistDeclHandler = refuse
    parser.XmlDeclHandler = check_encoding
    return parser


def parse(parser: Any, chunk: bytes, path: Source) -> None:
    """Parse a part of a file; an empty one ends it. Raises DocreError if it is not well-formed."""
    try:
        parser.Parse(chunk, not chunk)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DocreError(f"{path}: line {error.lineno}: not well-formed XML: {reason}") from None
