"""Names: which are joined, and which mean an entity, in any script."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.answers.entities import simplified
from docre.core.words import words_in
from docre.text.names import NUMBERS, SMALL_WORDS, join_names, words_of

EQUAL = [("José", "Jose\u0301"), ("The UN", "UN"), ("U.S.", "US"), ("O'Neill's", "O'Neill"), ("Jean-Luc", "jean luc")]
DIFFERENT = [("किम", "काम"), ("🙂", "🙃"), ("$", "€"), ("C++", "C#"), ("C", "C#"), ("A&B", "B"), ("...", "!")]


@pytest.mark.parametrize("one, other", EQUAL)
def test_one_name(one, other):
    assert join_names([(one, "X"), (other, "X")]) == [[0, 1]]


@pytest.mark.parametrize(
    ("one", "other", "type_"),
    [
        ("$3.5 million", "$35 million", "MONEY"),
        ("1.5%", "15%", "PERCENT"),
        ("12.5", "125", "CARDINAL"),
        ("-5", "5", "QUANTITY"),
        ("June 1990", "1990", "date"),
        ("A. Smith", "B. Smith", "PERSON"),
        ("An Wang", "Vera Wang", "PERSON"),
        ("Windows 3.1", "Windows 31", "WORK"),
        ("Guinea", "New Guinea", "GPE"),
    ],
)
def test_two_numbers_and_two_people(one, other, type_):
    assert join_names([(one, type_), (other, type_)]) == [[0], [1]]


@pytest.mark.parametrize("short", ["the UN", "UN's", "The U.N.", "the U.N.'s"])
def test_acronyms_with_an_article_or_a_possessive(short):
    assert join_names([("the United Nations", "ORG"), (short, "ORG")]) == [[0, 1]]


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


def shortens(name: str, words: tuple[str, ...], longer: tuple[str, ...], type_: str) -> bool:
    """Whether a name is the beginning, the end or the acronym of a longer one."""
    n = len(words)
    if len(longer) <= n:
        return False
    acronyms = ("".join(w[0] for w in longer), "".join(w[0] for w in longer if w not in SMALL_WORDS))
    if n == 1 and name.removeprefix("the ").isupper() and len(words[0]) > 1 and words[0] in acronyms:
        return True
    return words == longer[:n] or (words == longer[-n:] and type_ != "loc")


def slowly_joined(names: list[tuple[str, str]]) -> list[list[int]]:
    """Every name compared with every other."""
    forms = [(words_of(name, type_), type_) for name, type_ in names]
    chosen = {}
    for position, form in enumerate(forms):
        if form in chosen or form[1].upper() in NUMBERS:
            continue
        others = [i for i, (words, t) in enumerate(forms) if t == form[1]]
        fits = [i for i in others if shortens(names[position][0], form[0], forms[i][0], form[1])]
        before = [i for i in fits if i < position]
        if fits:
            chosen[form] = forms[before[-1] if before else fits[0]]
    found = {}
    for position, form in enumerate(forms):
        while form in chosen:
            form = chosen[form]
        found.setdefault(form, []).append(position)
    return list(found.values())


NAMES = st.lists(st.sampled_from("Ada Lovelace of the United Nations UN U A LN un".split()), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(NAMES.map(" ".join), st.sampled_from(["X", "loc", "DATE", "date"])), max_size=12))
def test_joined_as_by_comparing_every_name_with_every_other(names):
    found = join_names(names)
    expected = slowly_joined(names)
    assert found == expected


def test_many_names_take_time_that_grows_with_their_number():
    names = [(f"Name{i} Surname{i}", "PER") for i in range(20_000)]
    start = time.process_time()
    assert len(join_names(names)) == len(names)
    assert time.process_time() - start < 5  # 0.2 s; comparing all with all takes ten minutes
