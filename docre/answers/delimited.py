"""Triples between brackets, in any order of names with brackets, quotes, commas and bars in them.

The relation, which is known, is the anchor: wherever a known relation stands between two separators, what is before it,
from the opening bracket on, is the head, and what is after it, to the closing bracket, is the tail. Between two anchors
the text is divided where a bracket closes and the next one opens, at the first place that leaves no bracket of the tail
unclosed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, ClassVar

from docre.answers.base import QUOTES, Form, Found, Item, Malformed, Relations

STEPS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class Delimited(Form):
    """opening, closing: the brackets. separator: between head, relation and tail. quote: around each of them."""

    opening: ClassVar[str]
    closing: ClassVar[str]
    separator: ClassVar[str]
    quote: ClassVar[str] = ""

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        anchor, nothing = (anchors(names, self.separator) for names in (relations.pattern, relations.nothing))
        for text in answer.splitlines():
            yield from self.read_line(" ".join(text.split()), anchor, nothing)

    def read_line(self, text: str, anchor: re.Pattern[str], nothing: re.Pattern[str]) -> Iterable[Item]:
        """The triples in a line. What stands for no relation is short, and only looked for where no relation is."""
        found = list(anchor.finditer(text)) or list(nothing.finditer(text))
        if not found:
            yield from self.without_anchor(text)
            return
        borders = self.borders(text, found)
        for match, (start, end) in zip(found, borders, strict=True):
            if start is None or end is None:
                yield Malformed(text[match.start() - 40 if match.start() > 40 else 0 : match.end() + 40])
                continue
            head, tail = text[start : match.start()], text[match.end() : end]
            yield Found(unquoted(head), match["relation"], unquoted(tail))

    def borders(self, text: str, found: Sequence[re.Match[str]]) -> list[tuple[int | None, int | None]]:
        """Where the head of each anchor starts and its tail ends."""
        first = text.find(self.opening, 0, found[0].start())
        starts: list[int | None] = [first + 1 if first >= 0 else None]
        ends: list[int | None] = []
        for before, after in pairwise(found):
            end, start = self.divide(text, before.end(), after.start())
            ends.append(end)
            starts.append(start)
        last = text.rfind(self.closing, found[-1].end())
        ends.append(last if last >= 0 else None)
        return list(zip(starts, ends, strict=True))

    def divide(self, text: str, start: int, end: int) -> tuple[int | None, int | None]:
        """Where the tail that begins at `start` ends, and where the head that ends at `end` starts."""
        part = text[start:end]
        depth = [0, *accumulate(STEPS.get(character, 0) for character in part)]
        between = f"{re.escape(self.closing)}[ ,;]*{re.escape(self.opening)}"
        places = [match.span(1) for match in re.finditer(f"(?=({between}))", part)]
        if not places:
            return None, None
        balanced = [place for place in places if depth[place[0]] == 0]
        first, last = (balanced or places)[0]
        return start + first, start + last

    def without_anchor(self, text: str) -> Iterable[Item]:
        """What a line without a known relation states: triples with other relations, or something malformed. A line
        without brackets states nothing."""
        text = text.strip()
        if self.opening not in text or self.closing not in text:
            if self.separator in text and self.separator != ",":
                yield Malformed(text[:200])
            return
        inner = text[text.find(self.opening) + 1 : text.rfind(self.closing)]
        parts = inner.split(self.separator)
        if len(parts) == 3 and all(part.strip() for part in parts):
            yield Found(unquoted(parts[0]), unquoted(parts[1]), unquoted(parts[2]))
        else:
            yield Malformed(text[:200])

    def write(self, triples: Sequence[Found]) -> str:
        q, s = self.quote, self.separator
        rows = (f"{q}{t.head}{q}{s} {q}{t.relation}{q}{s} {q}{t.tail}{q}" for t in triples)
        return "\n".join(f"{self.opening}{row}{self.closing}" for row in rows)

    def ask(self) -> str:
        example = self.write([Found("head", "relation", "tail")])
        return f"Write one line for each triple, in this form: {example}"


def anchors(relations: str, separator: str) -> re.Pattern[str]:
    """Finds a known relation, perhaps in quotes, between two separators. White space is single spaces."""
    quote, sep = f"[{QUOTES}]?", re.escape(separator)
    return re.compile(rf" ?{sep} ?{quote}(?P<relation>{relations}){quote} ?{sep} ?", re.IGNORECASE)


def unquoted(text: str) -> str:
    """A name without white space and one pair of quotes around it."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES else text
