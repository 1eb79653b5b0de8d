"""Which names of a text are names of one entity."""

import re
from collections.abc import Sequence

from docre.core.words import ARTICLE, words_in

NUMBERS = frozenset("CARDINAL DATE MONEY NUM ORDINAL PERCENT QUANTITY TIME".split())  # types without aliases
SMALL_WORDS = frozenset("a an and at da de der for in la le of on the und von".split())


def join_names(names: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Group the (name, type) of mentions, in the order of the text: the positions of each entity's mentions.

    Names of one type are of one entity if they are equal apart from case and "'s"; if one is how another begins or ends
    ("Lovelace" and "Ada Lovelace"), or its acronym ("UN" and "United Nations"). If a short name fits several, the last
    of them before it is meant, or else the first after it. Numbers, dates and amounts are only joined if equal.
    """
    forms = [(words_of(name), type_) for name, type_ in names]
    chosen = {form: form for form in forms}
    for position, form in enumerate(forms):
        words, type_ = form
        if chosen[form] != form or type_ in NUMBERS or not words:
            continue
        fits = [i for i, (other, t) in enumerate(forms) if t == type_ and shortens(names[position][0], words, other)]
        if fits:
            before = [i for i in fits if i < position]
            chosen[form] = forms[before[-1] if before else fits[0]]

    def longest(form: tuple[tuple[str, ...], str]) -> tuple[tuple[str, ...], str]:
        while chosen[form] != form:
            form = chosen[form]
        return form

    found: dict[tuple[tuple[str, ...], str], list[int]] = {}
    for position, form in enumerate(forms):
        found.setdefault(longest(form), []).append(position)
    return list(found.values())


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name without case, punctuation, a first article and a last "'s"; a name of punctuation only is one
    word."""
    plain = re.sub(r"['’]s?$", "", name.casefold()).replace(".", "")
    words = words_in(ARTICLE.sub("", plain.strip())) or words_in(plain) or [name.strip()]
    return tuple(words)


def shortens(name: str, words: tuple[str, ...], longer: tuple[str, ...]) -> bool:
    """Whether a name with these words is the beginning, the end or the acronym of a longer name."""
    n = len(words)
    if len(longer) <= n:
        return False
    if n == 1 and name.isupper() and len(words[0]) > 1:
        initials = "".join(word[0] for word in longer if word not in SMALL_WORDS)
        if words[0] in (initials, "".join(word[0] for word in longer)):
            return True
    return words in (longer[:n], longer[-n:])
