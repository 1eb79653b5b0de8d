"""Triples between brackets, in any order of names with brackets, quotes, commas and bars in them.

The relation, which is known, is the anchor: wherever a known relation stands between two separators, what is before it,
from the opening bracket on, is the head, and what is after it, to the closing bracket, is the tail. Between two anchors
the text is divided where a bracket closes and the next one opens, at the first place that leaves no bracket of the tail
unclosed. What stands in brackets beside that and has three parts is a triple with another relation.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, zip_longest
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
        head, others = self.before(text, found[0].start())
        yield from others
        for match, following in zip_longest(found, found[1:]):
            if following is None:
                tail, others, next_head = *self.after(text, match.end()), None
            else:
                tail, others, next_head = self.between(text, match.end(), following.start())
            if head is None or tail is None:
                yield Malformed(text[max(match.start() - 40, 0) : match.end() + 40])
            else:
                yield Found(unquoted(head), match["relation"], unquoted(tail))
            yield from others
            head = next_head

    def before(self, text: str, end: int) -> tuple[str | None, list[Found]]:
        """The head of the first anchor, which begins at `end`, and the triples before it."""
        start = text.find(self.opening, 0, end)
        if start < 0:
            return None, []
        part = text[start + 1 : end]
        head, others = self.skip(part, 0, self.places(part)[0])
        return part[head:], others

    def after(self, text: str, start: int) -> tuple[str | None, list[Found]]:
        """The tail of the last anchor, which ends at `start`, and the triples after it."""
        part, bracket, _ = text[start:].rpartition(self.closing)
        if not bracket:
            return None, []
        others = list[Found]()
        for close, open_ in reversed(self.places(part)[0]):
            other = self.triple(part[open_:])
            if other is None:
                break
            others.insert(0, other)
            part = part[:close]
        return part, others

    def between(self, text: str, start: int, end: int) -> tuple[str | None, list[Found], str | None]:
        """The tail of an anchor that ends at `start`, the triples between it and the next anchor, which begins at
        `end`, and the head of that."""
        part = text[start:end]
        balanced, places = self.places(part)
        if not places:
            return None, [], None
        tail, head = (balanced or places)[0]
        head, others = self.skip(part, head, balanced[1:])
        return part[:tail], others, part[head:]

    def skip(self, part: str, start: int, places: Sequence[tuple[int, int]]) -> tuple[int, list[Found]]:
        """Where in a text the first thing that is no triple starts, from `start` on, and the triples before it."""
        others = []
        for close, open_ in places:
            other = self.triple(part[start:close])
            if other is None:
                break
            others.append(other)
            start = open_
        return start, others

    def places(self, part: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Where a bracket closes and the next one opens: the places that leave no bracket unclosed, and all."""
        depth = [0, *accumulate(STEPS.get(character, 0) for character in part)]
        between = f"{re.escape(self.closing)}[ ,;]*{re.escape(self.opening)}"
        places = [match.span(1) for match in re.finditer(f"(?=({between}))", part)]
        return [place for place in places if depth[place[0]] == 0], places

    def triple(self, inner: str) -> Found | None:
        """What stands between two brackets as a triple with any relation; None if it is not one."""
        parts = inner.split(self.separator)
        if len(parts) != 3 or not all(part.strip() for part in parts):
            return None
        head, relation, tail = map(unquoted, parts)
        return Found(head, relation, tail)

    def without_anchor(self, text: str) -> Iterable[Item]:
        """What a line without a known relation states: triples with other relations, or something malformed. A line
        without brackets states nothing."""
        text = text.strip()
        if self.opening not in text or self.closing not in text:
            if self.separator in text and self.separator != ",":
                yield Malformed(text[:200])
            return
        inner = text[text.find(self.opening) + 1 : text.rfind(self.closing)]
        yield self.triple(inner) or Malformed(text[:200])

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
