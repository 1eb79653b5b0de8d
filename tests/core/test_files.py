"""Reading JSON: docre accepts what a strict use of the standard library accepts, and reports the rest in one line."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.core.files import parse_json, read_json, read_text
from docre.data.readers.docred import to_json
from docre.errors import DocreError
from tests.data.strategies import JSON
from tests.tiny import random_documents

DEEP = 1024


def integer(digits: str) -> int | float:
    """An integer, or a float if it needs more than 64 bits."""
    value = int(digits)
    return value if -(2**63) <= value < 2**64 else real(digits)


def real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("too large")
    return value


def refuse(constant: str) -> None:
    raise ValueError(constant)


def strict(text: str):
    """The value in a text, from the standard library. Raises ValueError for invalid JSON and for lone surrogates."""
    value = json.loads(text, parse_constant=refuse, parse_int=integer, parse_float=real)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def same(text: str) -> None:
    """Check that docre reads the same value as the reference, or raises a one-line error where that raises."""
    for content in (text, text.encode("utf-8", "surrogatepass")):
        try:
            expected = strict(text)
        except ValueError:
            with pytest.raises(DocreError, match=r"^f: (line \d+: not valid JSON: .|not UTF-8 text)") as error:
                parse_json(content, "f")
            assert "\n" not in str(error.value)
        else:
            assert repr(parse_json(content, "f")) == repr(expected)  # tells 1 from 1.0 and True, and 0.0 from -0.0


PIECES = [
    *'{}[],:" \n\t\r0123456789+-.eEua\\/',
    *('\\u \\ud83d \\ude00 \\\\ \\" true null NaN Infinity e9 00 \x00 \x7f \u2028 é 😀 \ud83d').split(" "),
    *("\x0b", "\x1f", "\u00a0", "9" * 19, "9" * 400, '"a":', '"', '"'),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.sampled_from(["{}", "[{}]", '["{}"]']))
def test_any_text(text, frame):
    same(frame.replace("{}", text))


@given(JSON.map(json.dumps), st.data())
def test_any_value_with_any_damage(text, data):
    same(text)
    place = data.draw(st.integers(0, len(text)))
    same(text[:place] + data.draw(st.sampled_from(["", *PIECES])) + text[place + data.draw(st.integers(0, 2)) :])


@given(st.data())
def test_documents_with_any_damage(data):
    text = json.dumps(
        [to_json(document) for document in random_documents(2)], indent=data.draw(st.sampled_from([None, 1]))
    )
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.sampled_from(["", *PIECES])) + text[place + data.draw(st.integers(0, 2)) :]
    same(text)


@pytest.mark.parametrize(
    "text",
    [
        *('{"h": -}', '{"h": 01}', '{"h": 1.}', '{"h": .5}', '{"h": +1}', "[1e]", "[1e400]", "[NaN]", "[-Infinity]"),
        *('["a\nb"]', '["a\tb"]', '["\\x"]', '["\\ud83d"]', '["\\\\\\ud83d"]', '["\\ude00\\ud83d"]', "[1,]", "['a']"),
        *("", " ", "[] []", "// a\n[]", "tru", "[" * 10**6, "[" * (DEEP + 1) + "]" * (DEEP + 1), '{"a":' * 10**6),
    ],
    ids=lambda text: text[:20],
)
def test_invalid_json(text, tmp_path):
    (tmp_path / "f").write_text(text)
    with pytest.raises(DocreError, match=f"^{tmp_path}/f: line 1: not valid JSON: "):
        read_json(tmp_path / "f")


def test_valid_json():
    assert parse_json('["\\\\ud83d", "\\ud83d\\ude00", "\x7f\u2028", -0, 1E+2]', "f") == [
        "\\ud83d",
        "😀",
        "\x7f\u2028",
        0,
        100,
    ]
    assert parse_json('{"a": 1, "a": 2}', "f") == {"a": 2}
    assert parse_json("[18446744073709551615, 18446744073709551616]", "f") == [2**64 - 1, float(2**64)]
    assert len(parse_json("[" * DEEP + "]" * DEEP, "f")) == 1


def test_the_line_is_named(tmp_path):
    for content in ('[\n"é😀",\r\n x]', b"\xef\xbb\xbf[\n\n-]"):
        (tmp_path / "f").write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(DocreError, match=f"^{tmp_path}/f: line 3: not valid JSON: "):
            read_json(tmp_path / "f")
    with pytest.raises(DocreError, match=r"^f: line 7: not valid JSON"):
        parse_json("[x]", "f", 7)
    (tmp_path / "f").write_bytes(b'["\xff"]')
    with pytest.raises(DocreError, match=r"f: not UTF-8 text \(byte 2\)"):
        read_json(tmp_path / "f")


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "f").write_text("[1]\n", encoding="utf-8-sig")
    assert read_text(tmp_path / "f") == "[1]\n" and read_json(tmp_path / "f") == [1]
