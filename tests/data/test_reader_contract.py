"""The contract of readers, tested for every registered one. A new one needs a small file in tests/data/samples.py."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docre.data.readers import READERS, RecordReader, iterate, read
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from tests.data.samples import SAMPLES

every_reader = pytest.mark.parametrize("name", list(READERS))
VALUES: list[Any] = [None, True, -1, 10**6, 1.5, "", "x", [], {}, [[]], [None]]


@pytest.fixture
def sample(name, tmp_path) -> Path:
    if name not in SAMPLES:
        pytest.fail(f"reader {name!r} has no sample: add the text of a small file to tests/data/samples.py")
    (tmp_path / "sample").write_text(SAMPLES[name], encoding="utf-8")
    return tmp_path / "sample"


@every_reader
def test_the_sample_has_everything(name, sample):
    """Labels, and entities with names and types; what the other tests rely on."""
    document = read(sample, name)[0]
    assert document.triples and len(document.entities) > 1
    assert all(entity.type and entity.name for entity in document.entities)
    assert READERS[name].__doc__


@every_reader
def test_round_trip(name, sample, tmp_path):
    """Converted to DocRED JSON it is the same, but for what that format cannot hold (candidate pairs)."""
    documents = read(sample, name)
    write_docred(tmp_path / "converted.json", documents)
    for before, after in zip(documents, read(tmp_path / "converted.json"), strict=True):
        assert before.title == after.title and list(map(list, before.sentences)) == list(map(list, after.sentences))
        assert before.entities == after.entities and before.triples == after.triples


@every_reader
def test_one_document_at_a_time(name, sample):
    """The same as all at once; with a RecordReader also any document by itself, from its record."""
    documents = list(read(sample, name))
    assert list(iterate(sample, name)) == documents
    reader = READERS[name]
    if isinstance(reader, RecordReader):
        assert [reader.parse(record) for record in reversed(list(reader.cut(sample)))] == documents[::-1]


@every_reader
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"[", b'"', b"{}", b"[1]", b"\n\n", b"a\tb", b"\xef\xbb\xbf"]
)
def test_other_content_is_error_of(name, content, tmp_path):
    (tmp_path / "f").write_bytes(content)
    error_of(tmp_path / "f", name)
    with pytest.raises(DocreError, match="missing"):
        read(tmp_path / "missing", name)


@every_reader
def test_a_byte_order_mark_changes_nothing(name, sample):
    before = read(sample, name)
    sample.write_bytes(b"\xef\xbb\xbf" + sample.read_bytes())
    assert read(sample, name) == before


@every_reader
def test_every_damaged_field_is_accepted_or_named(name, sample):
    """Each field of the first document is left out, or gets each of some values that do not belong there."""
    damaged = refused = 0
    for content, named in damages(SAMPLES[name]):
        damaged += 1
        sample.write_text(content, encoding="utf-8")
        message = error_of(sample, name)
        if message is not None:
            refused += 1
            assert any(word in message for word in named), f"{message!r} names none of {named}"
    assert refused > damaged / 10 > 1


def error_of(path: Path, name: str) -> str | None:
    """The message of the error that the file gives, None if it gives documents."""
    try:
        assert all(document.title is not None for document in read(path, name))
    except DocreError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return str(error)
    return None


def damages(text: str) -> Iterator[tuple[str, list[str]]]:
    """The text with one field of the first document damaged, and words of which a message has to have one: a key above
    the field, the line, or the title."""
    if text.startswith("<"):
        yield from xml_damages(text)
        return
    if "|t|" in text:
        for number, line in enumerate(text.split("\n\n")[0].splitlines()):
            rest = text.splitlines()
            for content, _ in column_damages([line]):
                yield "\n".join([*rest[:number], content, *rest[number + 1 :]]), ["line ", "document '1'"]
        return
    try:
        whole = json.loads(text)
        lines = None
        if isinstance(whole, dict):
            (key, whole), *_ = whole.items()
            for content, named in damages(json.dumps(whole)):
                yield json.dumps({key: json.loads(content)}), [*named, "documents[0]", "document '"]
            return
    except json.JSONDecodeError:
        lines = text.splitlines()
        try:
            whole = [json.loads(line) for line in lines]
        except json.JSONDecodeError:
            yield from column_damages(lines)
            return
    for path in paths(whole[0]):
        keys = [str(key) for key in path if isinstance(key, str)]
        for value in [..., *VALUES]:
            first = copy.deepcopy(whole[0])
            parent = first
            for key in path[:-1]:
                parent = parent[key]
            if value is ...:
                del parent[path[-1]]
            else:
                parent[path[-1]] = value
            if lines is None:
                yield json.dumps([first, *whole[1:]]), [*keys, "Ada Lovelace"]
            else:
                yield "\n".join([json.dumps(first), *lines[1:]]), [*keys, "line 1"]


def xml_damages(text: str) -> Iterator[tuple[str, list[str]]]:
    """The XML with an attribute or a text changed, or an element left out."""
    for pattern in ('"[^"]*"', "(?<=>)[^<>]+(?=<)", "<(infon|location|offset|text|annotation|id).*?(/>|</\\1>)"):
        for match in re.finditer(pattern, text):
            if text.startswith(("<?", "<!"), text.rindex("<", 0, match.start() + 1)):
                continue
            quote = '"' * pattern.startswith('"')
            for value in ("", "x", "-1", "999", "1:2"):
                yield text[: match.start()] + quote + value + quote + text[match.end() :], ["document ", "line "]


def column_damages(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    columns = lines[0].split("\t")
    for i in range(len(columns)):
        for value in ("", "x", "-1", "1:2:3:4", "|", "999"):
            yield "\n".join(["\t".join([*columns[:i], value, *columns[i + 1 :]]), *lines[1:]]), ["line 1"]
        yield "\n".join(["\t".join([*columns[:i], *columns[i + 1 :]]), *lines[1:]]), ["line 1"]


def paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """The paths to all values inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        yield from ((key, *path) for path in paths(inner))
