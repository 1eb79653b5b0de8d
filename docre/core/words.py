"""Counted nouns for messages, and the words of a name."""

import re
import unicodedata

ARTICLE = re.compile(r"^(the|a|an)\s+")  # at the beginning of a name in lowercase
KEPT = "#&%@"  # punctuation that tells names apart: C and C#


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """The number with its noun: "1 label", "2 labels", "2 entities" (with `plural` where an s is not enough)."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def words_in(text: str) -> list[str]:
    """The words of a text in any script: letters with their marks, digits and symbols, divided by white space and
    punctuation, without invisible characters."""
    return "".join(letter(c) for c in unicodedata.normalize("NFC", text)).split()


def letter(character: str) -> str:
    """The character if it is part of a word, "" if it is invisible, and a space otherwise."""
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return character if category[0] in "LMNS" or character in KEPT else " "
