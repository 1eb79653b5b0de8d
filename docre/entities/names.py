"""How alike the names of mentions are, as numbers, for all pairs of many names at once."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float32]
FEATURES = 6


class Names:
    """Mentions as their names tell them apart.

    words:     the words of each name.
    positions: of each mention, the number of its first word in the text.
    """

    def __init__(self, words: Sequence[Sequence[str]], positions: Sequence[int]) -> None:
        lowered = [tuple(word.casefold() for word in name) for name in words]
        self.form = numbered(lowered)
        self.word_sets = Sets([set(name) for name in lowered])
        self.trigrams = Sets([trigrams(" ".join(name)) for name in lowered])
        both = numbered([*map(acronym, words), *map(initials, words)])
        self.acronym, self.initials = both[: len(words)], both[len(words) :]
        self.positions = np.array(positions, dtype=np.float32)

    def compare(self, rows: slice) -> Floats:
        """The comparison of the mentions `rows` with all mentions, [rows, mentions, FEATURES], each from 0 to 1 and
        symmetric: equal but for case; shared words by all words of both (Jaccard) and by the words of the shorter name;
        shared trigrams of characters by all of both (Jaccard); one is the acronym of the other; and the distance in
        words, ln(1 + d) / 10."""
        same = self.form[rows, None] == self.form
        shared, union, smaller = self.word_sets.overlap(rows)
        trigrams_shared, trigrams_union, _ = self.trigrams.overlap(rows)
        short = (self.acronym[rows, None] == self.initials) & (self.acronym[rows, None] >= 0)
        short |= (self.initials[rows, None] == self.acronym) & (self.acronym >= 0)
        distance = np.log1p(np.abs(self.positions[rows, None] - self.positions)) / 10
        columns = (same, shared / union, shared / smaller, trigrams_shared / trigrams_union, short, distance)
        return np.stack([column.astype(np.float32) for column in columns], axis=-1)


def numbered(values: Sequence[Any]) -> NDArray[np.int64]:
    """A number for each value, equal for equal ones; -1 for the empty text."""
    numbers = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([-1 if value == "" else numbers[value] for value in values], dtype=np.int64)


def membership(sets: Sequence[Collection[str]]) -> csr_matrix:
    """Sets as rows of zeros and ones, [sets, different members]."""
    column = {member: i for i, member in enumerate(dict.fromkeys(member for members in sets for member in members))}
    columns = [column[member] for members in sets for member in members]
    ends = np.cumsum([0, *map(len, sets)])
    ones = np.ones(len(columns), dtype=np.float32)
    return csr_matrix((ones, columns, ends), shape=(len(sets), max(1, len(column))))


class Sets:
    """Sets whose overlaps are counted, many at once."""

    def __init__(self, sets: Sequence[Collection[str]]) -> None:
        self.rows = membership(sets)
        self.columns = self.rows.T.tocsr()
        self.sizes = np.array(list(map(len, sets)), dtype=np.float32)

    def overlap(self, rows: slice) -> tuple[Floats, Floats, Floats]:
        """The sizes of intersection, union and smaller set of the sets `rows` with all, [rows, sets] each, at least 1
        for the latter two."""
        shared = (self.rows[rows] @ self.columns).toarray()
        union = self.sizes[rows, None] + self.sizes - shared
        return shared, np.maximum(union, 1), np.maximum(np.minimum(self.sizes[rows, None], self.sizes), 1)


def trigrams(name: str) -> set[str]:
    """The runs of three characters in a name with a space before and after it."""
    padded = f" {name} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def initials(name: Sequence[str]) -> str:
    """The first letters of the words that begin with an uppercase letter, if there are several words: "UN" of "United
    Nations"."""
    return "".join(word[0] for word in name if word[:1].isupper()) if len(name) > 1 else ""


def acronym(name: Sequence[str]) -> str:
    """The name without periods if it is one word of uppercase letters, otherwise nothing."""
    text = name[0].replace(".", "") if len(name) == 1 else ""
    return text if len(text) > 1 and text.isupper() else ""
