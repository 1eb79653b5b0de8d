"""Cutting a file into records gives what reading it whole gives, or an error, wherever the reading is divided."""

import json
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.data.readers import records
from docre.errors import DocreError

TEXT = st.text('a,"\\[]{}\né東😀', max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
LAYOUTS = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 0, 1]),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\r\n", " :\t")]),
        "ensure_ascii": st.booleans(),
    }
)
CHUNKS = st.sampled_from([1, 2, 3, 7, 64, 1 << 20])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("records") / "file.json"


@pytest.fixture(autouse=True)
def chunk():
    """Tests may change the size of chunks."""
    before = records.CHUNK
    yield
    records.CHUNK = before


def elements_or_one_line(path):
    """The elements of a JSON list, or None after an error of one line that names the file."""
    try:
        return [record.parse_json() for record in records.elements(path)]
    except DocreError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return None


@given(
    st.lists(VALUES, max_size=5), LAYOUTS, CHUNKS, st.sampled_from(["utf-8", "utf-8-sig"]), st.text(" \n", max_size=2)
)
def test_the_elements_of_any_list(path, values, layout, chunk, encoding, around):
    records.CHUNK = chunk
    path.write_text(around + json.dumps(values, **layout) + around, encoding=encoding)
    assert elements_or_one_line(path) == orjson.loads(path.read_text(encoding="utf-8-sig"))
    content = path.read_bytes()
    for record in records.elements(path):
        assert content[record.offset : record.offset + record.size].decode() == record.text


@given(st.data(), st.lists(VALUES, max_size=3), LAYOUTS, CHUNKS)
def test_what_is_no_list_is_refused_exactly(path, data, values, layout, chunk):
    """A list is read if and only if orjson reads the file as one, whatever is damaged in it."""
    records.CHUNK = chunk
    content = bytearray(json.dumps(values, **layout).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from(
                [b"", b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"x", b"0", b" ", b"\n", b"\xff", b"\0"]
            )
        )
    path.write_bytes(content)
    try:
        expected = orjson.loads(bytes(content))
    except orjson.JSONDecodeError:
        expected = None
    assert elements_or_one_line(path) == (expected if isinstance(expected, list) else None)


@given(st.binary(max_size=20) | st.text('[]{}",\\ \n1a', max_size=20).map(str.encode), CHUNKS)
def test_any_bytes(path, content, chunk):
    records.CHUNK = chunk
    path.write_bytes(content)
    try:
        expected = orjson.loads(content)
    except orjson.JSONDecodeError:
        expected = None
    assert elements_or_one_line(path) == (expected if isinstance(expected, list) else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: not valid JSON: "),
        ("null", "expected a JSON list of documents, got nothing"),
        ("3", "expected a JSON list of documents, got an integer"),
        ('{"a": [1]}', "expected a JSON list of documents, got an object"),
        ("[1,\n2", "line 2: not valid JSON: expected ',' or ']' after an element of the list"),
        ("[1,\n2}", "line 2: not valid JSON: expected ',' or ']' after an element of the list"),
        ('[\n"a",\n{"b": "c\n', "line 3: not valid JSON: "),
        ("[1]\n\n]", "line 1: not valid JSON: unexpected text after the list"),
        ("[1] [2]", "line 1: not valid JSON: unexpected text after the list"),
        ("[1,]", "line 1: not valid JSON: "),
        ("[1,\n\n01]", "line 3: not valid JSON: "),
    ],
)
def test_errors_say_where(tmp_path, text, message):
    (tmp_path / "f").write_text(text)
    with pytest.raises(DocreError) as error:
        [record.parse_json() for record in records.elements(tmp_path / "f")]
    assert str(error.value).startswith(f"{tmp_path / 'f'}: {message}")


@given(st.lists(st.text("ab \r\x85\xa0\u2028é", max_size=4), max_size=6), st.sampled_from(["utf-8", "utf-8-sig"]))
def test_lines(path, texts, encoding):
    """Lines end with a line feed only, and lines of white space are left out, but counted."""
    path.write_bytes("\n".join(texts).encode(encoding))
    found = list(records.lines(path))
    assert [(record.number, record.text) for record in found] == [
        (number, text) for number, text in enumerate(texts, 1) if text.strip()
    ]
    content = path.read_bytes()
    for record in found:
        assert content[record.offset : record.offset + record.size].decode() == record.text


def test_only_a_part_is_in_memory(tmp_path):
    """The first record comes before the second has been written."""
    with (tmp_path / "f").open("w") as file:
        file.write('["a",')
        file.flush()
        stream = records.elements(tmp_path / "f")
        assert next(stream).text == '"a"'
        file.write('"b"]')
        file.flush()
        assert [record.text for record in stream] == ['"b"']


@pytest.mark.parametrize("cut", [records.elements, records.lines])
def test_files_that_cannot_be_read(tmp_path, cut):
    for path, message in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(DocreError, match=rf"^{path}: {message}"):
            list(cut(path))


@pytest.mark.parametrize("cut", [records.elements, records.lines])
def test_what_is_not_utf8_is_passed_over(tmp_path, cut):
    (tmp_path / "f").write_bytes(b'["a",\n"\xff",\n"b"]\n')
    first, bad, last = cut(tmp_path / "f")
    assert '"a"' in first.text and '"b"' in last.text
    with pytest.raises(DocreError, match=rf"^{tmp_path / 'f'}: not UTF-8 text \(byte 7\)"):
        bad.parse_json()


@pytest.mark.parametrize("chunk", [3, 64, 1 << 16])
@pytest.mark.parametrize("cut", [records.elements, records.lines, records.blocks])
def test_what_is_too_long_is_passed_over(tmp_path, monkeypatch, cut, chunk):
    monkeypatch.setattr(records, "CHUNK", chunk)
    monkeypatch.setattr(records, "MAX_RECORD", 200)
    long = json.dumps({"a": ['\\"],}[' * 400]})
    between = "\n\n" if cut is records.blocks else "\n"
    (tmp_path / "f").write_text(f'["a",{between}{long},{between}"b",{between}"\\x"]')
    first, bad, third, last = cut(tmp_path / "f")
    assert '"a"' in first.text and '"b"' in third.text
    with pytest.raises(DocreError, match=rf"^{tmp_path / 'f'}: line [123]: more than 0 MiB, too long"):
        bad.parse_json()
    with pytest.raises(DocreError, match=rf"^{tmp_path / 'f'}: line [47]: not valid JSON"):
        last.parse_json()


def test_a_file_of_backslashes_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORD", 1 << 20)
    (tmp_path / "f").write_bytes(b'["' + b"\\" * (1 << 24))
    tracemalloc.start()
    with pytest.raises(DocreError, match="too long"):
        list(records.elements(tmp_path / "f"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 23


def test_lines_are_counted_while_the_file_is_read(tmp_path, monkeypatch):
    """Errors of syntax open it only once."""
    (tmp_path / "f").write_text("[" + ",\n".join(["{no}"] * 50) + "]")
    opened, times = records.opened, []
    monkeypatch.setattr(records, "opened", lambda path: times.append(path) or opened(path))
    for number, record in enumerate(records.elements(tmp_path / "f")):
        with pytest.raises(DocreError, match=f"line {max(1, number + 1)}: not valid JSON"):
            record.parse_json()
    assert len(times) == 1
