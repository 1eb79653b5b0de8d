"""How words are written, which an encoder that lowercases its text does not see, and which tells most about names."""

import numpy as np
from numpy.typing import NDArray

from docre.data.features import Ints

KINDS = ("lowercase", "capitalized", "uppercase", "mixed", "number", "number and letters", "no letter", "other")
REACH = 2  # words before and after
SHAPE_SIZE = len(KINDS) * (2 * REACH + 1)


def kind(word: str) -> int:
    """Which of KINDS a word is. One uppercase letter counts as capitalized, "McCartney" as mixed, "eBay" as other, and
    so do letters without case."""
    letters = [character for character in word if character.isalpha()]
    if any(map(str.isdigit, word)):
        name = "number and letters" if letters else "number"
    elif not letters:
        name = "no letter"
    elif word.islower():
        name = "lowercase"
    elif word.isupper() and len(letters) > 1:
        name = "uppercase"
    elif letters[0].isupper():
        name = "capitalized" if not any(map(str.isupper, letters[1:])) else "mixed"
    else:
        name = "other"
    return KINDS.index(name)


def shapes(kinds: Ints, sentence_end: Ints) -> NDArray[np.float32]:
    """The kinds of each word and of the REACH words before and after it in its sentence, as ones among zeros,
    [words, SHAPE_SIZE].

    kinds:        of each word.
    sentence_end: of each word, the word before which its sentence ends.
    """
    words = np.arange(len(kinds))
    found = np.zeros((len(kinds), 2 * REACH + 1, len(KINDS)), dtype=np.float32)
    for column, distance in enumerate(range(-REACH, REACH + 1)):
        inside = words[(words + distance >= 0) & (words + distance < len(words))]
        inside = inside[sentence_end[inside + distance] == sentence_end[inside]]
        found[inside, column, kinds[inside + distance]] = 1
    return found.reshape(len(kinds), SHAPE_SIZE)
