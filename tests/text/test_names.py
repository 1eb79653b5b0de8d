"""Names: which are joined, and which mean an entity, in any script."""

import pytest

from docre.answers.entities import simplified
from docre.core.words import words_in
from docre.text.names import join_names

EQUAL = [("José", "Jose\u0301"), ("The UN", "UN"), ("U.S.", "US"), ("O'Neill's", "O'Neill"), ("Jean-Luc", "jean luc")]
DIFFERENT = [("किम", "काम"), ("🙂", "🙃"), ("$", "€"), ("C++", "C#"), ("C", "C#"), ("A&B", "B"), ("...", "!")]


@pytest.mark.parametrize("one, other", EQUAL)
def test_one_name(one, other):
    assert join_names([(one, "X"), (other, "X")]) == [[0, 1]]


@pytest.mark.parametrize("one, other", DIFFERENT)
def test_two_names(one, other):
    assert join_names([(one, "X"), (other, "X")]) == [[0], [1]]
    assert simplified(one) != simplified(other)


@pytest.mark.parametrize(
    "one, other", [("Éire", "eire"), ("The  Hague", "hague"), ("Й", "и"), ("Jean-Luc", "Jean Luc")]
)
def test_simplified(one, other):
    assert simplified(one) == simplified(other)


def test_words():
    assert words_in("a\u200bb, c_d (e\u0301)") == ["ab", "c", "d", "é"]
