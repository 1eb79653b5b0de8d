"""Which names of a text are names of one entity."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from docre.core.words import words_in

# types without aliases, in any case
NUMBERS = frozenset(
    "AGE AMOUNT CARDINAL DATE DURATION MONEY NUM NUMBER ORDINAL PERCENT PRICE QUANTITY TIME YEAR".split()
)
# types of which a longer name that ends with another one is another place: "Guinea" and "New Guinea"
PLACES = frozenset("CITY COUNTRY FAC GPE LOC LOCATION PLACE".split())
ARTICLE = re.compile(r"^(?:[Tt]he|THE|an?)\s+")  # "A. Smith" and "An Wang" have none
POSSESSIVE = re.compile(r"['’]s?$")
Form = tuple[tuple[str, ...], str]  # the words of a name, and its type
Short = tuple[tuple[str, ...] | str, str]  # the words of a part of a name or its acronym, and its type
SMALL_WORDS = frozenset("a an and at da de der for in la le of on the und von".split())


def join_names(names: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Group the (name, type) of mentions, in the order of the text: the positions of each entity's mentions.

    Names of one type are of one entity if they are equal apart from case and "'s"; if one is how another begins or ends
    ("Lovelace" and "Ada Lovelace"; of places only how it begins), or its acronym ("UN" and "United Nations"). If a
    short name fits several, the last of them before it is meant, or else the first after it. Numbers, dates and amounts
    are only joined if equal.
    """
    forms = [(words_of(name, type_), type_) for name, type_ in names]
    longer = longer_names(forms)
    chosen = {form: form for form in forms}
    for position, form in enumerate(forms):
        if chosen[form] != form or is_number(form[1]):
            continue
        fits = [longer[short] for short in short_forms(names[position][0], form) if short in longer]
        before = [places[i - 1] for places in fits if (i := bisect_left(places, position))]
        if fits:
            chosen[form] = forms[max(before) if before else min(places[0] for places in fits)]

    def longest(form: Form) -> Form:
        while chosen[form] != form:
            form = chosen[form]
        return form

    found: dict[Form, list[int]] = {}
    for position, form in enumerate(forms):
        found.setdefault(longest(form), []).append(position)
    return list(found.values())


def is_number(type_: str) -> bool:
    """Whether a type is one of NUMBERS."""
    return type_.upper() in NUMBERS


def bare(name: str) -> str:
    """A name without an article before it, "'s" after it, and periods that are not in a number."""
    name = ARTICLE.sub("", POSSESSIVE.sub("", name.strip()))
    return re.sub(r"(?<!\d)\.|\.(?!\d)", "", name)


def words_of(name: str, type_: str = "") -> tuple[str, ...]:
    """The words of a bare name without case and punctuation; a name of punctuation only is one word. Those of a number
    with all that is in it."""
    if is_number(type_):
        return tuple(name.casefold().split())
    return tuple(words_in(bare(name).casefold()) or words_in(name.casefold()) or [name.strip()])


def longer_names(forms: Sequence[Form]) -> dict[Short, list[int]]:
    """For each short form, the positions of the longer names that it may stand for, in the order of the text. Short
    forms are the first and the last n words of a name (of places only the first), for each n that is the length of some
    name, and its initials."""
    sizes = {len(words) for words, _ in forms}
    found: dict[Short, list[int]] = defaultdict(list)
    for position, (words, type_) in enumerate(forms):
        if len(words) < 2:
            continue
        shorter = [n for n in sizes if n < len(words)]
        shorts: set[tuple[str, ...] | str] = {words[:n] for n in shorter}
        if type_.upper() not in PLACES:
            shorts |= {words[-n:] for n in shorter}
        shorts |= {initials(words), initials([word for word in words if word not in SMALL_WORDS])}
        for short in shorts:
            found[short, type_].append(position)
    return found


def short_forms(name: str, form: Form) -> list[Short]:
    """The short forms as which `longer_names` may list this name: the name itself and, if it is one word of uppercase
    letters, an acronym."""
    (words, type_) = form
    is_acronym = len(words) == 1 and bare(name).isupper() and len(words[0]) > 1
    return [form, (words[0], type_)] if is_acronym else [form]


def initials(words: Sequence[str]) -> str:
    """The first letters of the words."""
    return "".join(word[0] for word in words)
