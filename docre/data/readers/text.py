"""Raw text to tokens and sentences, by a few fixed rules: the same text always gives the same cut."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Span = tuple[int, int]  # characters [start, end)

CLOSING = "\"'”’»)\\]」』）"  # may stand between the end of a sentence and the space
BREAK = re.compile(rf"(?<=[.!?…])[{CLOSING}]*\s+|(?<=[。！？])(?![。！？])[{CLOSING}]*\s*|\n[^\S\n]*\n\s*")
ABBREVIATIONS = frozenset("al capt cf col dr eq fig gen gov lt mr mrs ms nos prof rep rev sen sgt st vol vs".split())


class _Shapes(dict[int, str]):
    """What a character is to the tokenizer: "w" of a word, "." a token of its own, " " between tokens."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        alone = unicodedata.category(character)[0] in "PS"
        self[code] = shape = " " if character.isspace() else "." if alone else "w"
        return shape


SHAPES = _Shapes()


def tokenize(text: str, boundaries: Iterable[int] = ()) -> list[Span]:
    """The tokens of a text: every punctuation mark or symbol (Unicode category P or S) is one, and so is every run of
    other characters without white space. `boundaries` are places in the text where a token must end."""
    places = sorted(set(boundaries))
    tokens = []
    for match in re.finditer(r"w+|\.", text.translate(SHAPES)):
        start, end = match.span()
        for place in places[bisect_right(places, start) : bisect_left(places, end)]:
            tokens.append((start, place))
            start = place
        tokens.append((start, end))
    return tokens


def sentence_starts(text: str) -> Iterator[int]:
    """Where a sentence begins, the first one aside.

    That is after a blank line; after `.`, `!`, `?` or `…` (and closing quotes or brackets) and white space, unless a
    small letter follows, or the word before the `.` is a single letter or one of ABBREVIATIONS; and after `。！？`.
    """
    text = text.rstrip()
    for match in BREAK.finditer(text):
        gap, stop = match[0], match.start() - 1
        if gap.count("\n") < 2 and text[max(stop, 0)] in ".!?…":
            if text[match.end()].islower():
                continue
            word = re.search(r"[^\W\d_]*$", text[max(stop - 12, 0) : stop])
            before = word[0].lower() if word else ""
            if text[stop] == "." and (len(before) == 1 or before in ABBREVIATIONS):
                continue
        yield match.end()
