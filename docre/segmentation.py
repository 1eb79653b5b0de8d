"""Splits plain text into tokens and sentences by a few fixed rules, without any model."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Span = tuple[int, int]  # characters [start, end)

CLOSING = "\"'”’»)\\]」』）"  # quotes and brackets that may follow the end of a sentence
BREAK = re.compile(rf"(?<=[.!?…])[{CLOSING}]*\s+|(?<=[。！？])(?![。！？])[{CLOSING}]*\s*|\n[^\S\n]*\n\s*")
ABBREVIATIONS = frozenset("al capt cf col dr eq fig gen gov lt mr mrs ms nos prof rep rev sen sgt st vol vs".split())

NUMBER = r"(?<!\d)\d+(?:[.,:]\d+)+"
LETTER = r"(?<![^\W_])[^\W\d_]"
WHOLE = re.compile(
    rf"{NUMBER}|{LETTER}\.(?:[^\W\d_]\.)+|{LETTER}\.(?=\s+\w)|(?<!\w)(?i:{'|'.join(sorted(ABBREVIATIONS))})\."
)
POSSESSIVE = re.compile(r"(?<=[\w\s])['’]s(?!\w)")


class _CharacterClasses(dict[int, str]):
    """Maps a code point to its class: "w" is part of a word, "." a token by itself, " " white space between tokens."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        alone = unicodedata.category(character)[0] in "PS"
        self[code] = class_ = " " if character.isspace() else "." if alone else "w"
        return class_


CHARACTER_CLASSES = _CharacterClasses()


def tokenize(text: str, boundaries: Iterable[int] = ()) -> list[Span]:
    """The tokens of a text, as spans: every punctuation mark or symbol (Unicode category P or S), and every run of
    other characters without white space. As in DocRED, "1,234.5" and "10:30" are one token, and so are "U.S.", the "J."
    of "J. Doe", "Dr." (ABBREVIATIONS) and the "'s" of "Ada's". A token that contains one of the `boundaries`, positions
    in the text, is split there."""
    cuts = sorted(set(boundaries))
    classes = bytearray(text.translate(CHARACTER_CLASSES), "ascii")
    for pattern, class_ in ((WHOLE, b"w"), (POSSESSIVE, b"s")):
        for special in pattern.finditer(text):
            classes[special.start() : special.end()] = class_ * len(special[0])
    tokens = []
    for match in re.finditer(rb"w+|s+|\.", classes):
        start, end = match.span()
        for cut in cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]:
            tokens.append((start, cut))
            start = cut
        tokens.append((start, end))
    return tokens


def sentence_starts(text: str) -> Iterator[int]:
    """The positions in the text at which sentences begin, without the first sentence.

    A sentence begins after a blank line; after `.`, `!`, `?` or `…` (with any closing quotes or brackets) and white
    space, unless a lowercase letter follows, or the word before the `.` is a single letter or in ABBREVIATIONS; and
    after `。！？`.
    """
    text = text.rstrip()
    for match in BREAK.finditer(text):
        if match.end() == len(text):
            return
        gap, stop = match[0], match.start() - 1
        if gap.count("\n") < 2 and text[max(stop, 0)] in ".!?…":
            if text[match.end()].islower():
                continue
            word = re.search(r"[^\W\d_]*$", text[max(stop - 12, 0) : stop])
            before = word[0].lower() if word else ""
            if text[stop] == "." and (len(before) == 1 or before in ABBREVIATIONS):
                continue
        yield match.end()
