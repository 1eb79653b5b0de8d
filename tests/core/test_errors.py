"""A message of an error is one line that a terminal can show, whatever a file put into it."""

from hypothesis import given
from hypothesis import strategies as st

from docre.errors import LONGEST, DocreError


@given(st.text())
def test_a_message_is_one_printable_line(text):
    message = str(DocreError(text))
    assert message.isprintable() and len(message.splitlines()) <= 1
    if text.isprintable() and len(text) <= LONGEST:
        assert message == " ".join(text.split())


def test_control_characters_are_escaped_and_long_names_cut():
    assert str(DocreError("a.pt: \x1b[2Jno")) == r"a.pt: \x1b[2Jno"
    message = str(DocreError("a.pt: " + "x" * 3_000_000 + " is no name"))
    assert message.startswith("a.pt: xx") and message.endswith("xx is no name") and len(message) < LONGEST + 10
