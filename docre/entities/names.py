"""How alike the names of mentions are, as numbers, for all pairs of many names at once."""

from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
HASHES = 1024  # words and trigrams are counted by a hash below this
FEATURES = 6


class Names:
    """Mentions as their names tell them apart.

    words:     the words of each name.
    positions: of each mention, the number of its first word in the text.
    """

    def __init__(self, words: Sequence[Sequence[str]], positions: Sequence[int]) -> None:
        lowered = [tuple(word.casefold() for word in name) for name in words]
        distinct = {name: i for i, name in enumerate(dict.fromkeys(lowered))}
        self.form = np.array([distinct[name] for name in lowered], dtype=np.int64)
        self.word_sets = indicator([[hashed(word) for word in name] for name in lowered])
        self.trigrams = indicator([trigrams(" ".join(name)) for name in lowered])
        self.initials = np.array([hashed(initials(name)) if len(name) > 1 else -1 for name in words], dtype=np.int64)
        self.acronym = np.array([hashed(acronym(name)) if acronym(name) else -2 for name in words], dtype=np.int64)
        self.positions = np.array(positions, dtype=np.float32)

    def __len__(self) -> int:
        return len(self.form)

    def compare(self, rows: slice) -> Floats:
        """The comparison of the mentions `rows` with all mentions, [rows, mentions, FEATURES], each from 0 to 1 and
        symmetric: equal but for case, shared words by all words (Jaccard) and by the words of the shorter name, shared
        trigrams of characters by all (Jaccard), one is the acronym of the other, and the distance in words, on a
        logarithmic scale."""
        same = self.form[rows, None] == self.form
        shared, union, smaller = overlap(self.word_sets, rows)
        trigrams_shared, trigrams_union, _ = overlap(self.trigrams, rows)
        short = self.acronym[rows, None] == self.initials
        short |= self.initials[rows, None] == self.acronym
        distance = np.log1p(np.abs(self.positions[rows, None] - self.positions)) / 10
        columns = (same, shared / union, shared / smaller, trigrams_shared / trigrams_union, short, distance)
        return np.stack([column.astype(np.float32) for column in columns], axis=-1)


def overlap(sets: Floats, rows: slice) -> tuple[Floats, Floats, Floats]:
    """The sizes of intersection, union and smaller set of the sets `rows` with all, [rows, sets] each, at least 1 for
    the latter two. `sets`: [sets, HASHES], 1 for a member."""
    shared = sets[rows] @ sets.T
    sizes = sets.sum(axis=1)
    union = sizes[rows, None] + sizes - shared
    return shared, np.maximum(union, 1), np.maximum(np.minimum(sizes[rows, None], sizes), 1)


def indicator(members: Sequence[Sequence[int]]) -> Floats:
    """Sets of hashes as rows of zeros and ones, [sets, HASHES]."""
    rows = np.zeros((len(members), HASHES), dtype=np.float32)
    for row, hashes in zip(rows, members, strict=True):
        row[list(hashes)] = 1
    return rows


@lru_cache(2**16)
def hashed(text: str) -> int:
    """A number below HASHES that is always the same for a text."""
    return crc32(text.encode(errors="surrogatepass")) % HASHES


def trigrams(name: str) -> list[int]:
    """The hashes of the runs of three characters in a name, with a space before and after it."""
    padded = f" {name} "
    return [hashed(padded[i : i + 3]) for i in range(len(padded) - 2)]


def initials(name: Sequence[str]) -> str:
    """The first letters of the words that begin with an uppercase letter: "UN" of "United Nations"."""
    return "".join(word[0] for word in name if word[:1].isupper())


def acronym(name: Sequence[str]) -> str:
    """The name without periods if it is one word of uppercase letters, otherwise nothing."""
    text = name[0].replace(".", "") if len(name) == 1 else ""
    return text if len(text) > 1 and text.isupper() else ""
