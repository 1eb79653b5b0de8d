"""Triples between brackets, in any order of names with brackets, quotes, commas and bars in them.

The relation, which is known, is the anchor: wherever a known relation stands between two separators, what is before it,
from the opening bracket on, is the head, and what is after it, to the closing bracket, is the tail. Between two anchors
the text is divided where a bracket closes and the next one opens, at the first place that leaves no bracket of the tail
unclosed. What stands in brackets beside that and has three parts is a triple with another relation; a number or a
remark, such as "(1)" or "(see the second sentence)", is nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, ClassVar

from docre.answers.base import QUOTES, Form, Found, Item, Malformed, Relations


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

    def before(self, text: str, end: int) -> tuple[str | None, list[Item]]:
        """The head of the first anchor, which begins at `end`: from the first bracket that stays open, or the first of
        all; and the triples before it."""
        part = text[:end]
        open_ = list[int]()
        for place, step in self.brackets(part):
            if step > 0:
                open_.append(place)
            elif open_:
                open_.pop()
        start = open_[0] if open_ else part.find(self.opening)
        return (part[start + 1 :], self.others(part[:start])) if start >= 0 else (None, [])

    def after(self, text: str, start: int) -> tuple[str | None, list[Item]]:
        """The tail of the last anchor, which ends at `start`: to the first bracket that closes more than the tail
        opened, or the last of all; and the triples after it."""
        part, depth, end = text[start:], 0, -1
        for place, step in self.brackets(part):
            depth += step
            if step < 0:
                end = place
                if depth < 0 and part[place + 1 : place + 2] != self.closing:
                    break
        return (part[:end], self.others(part[end + 1 :])) if end >= 0 else (None, [])

    def between(self, text: str, start: int, end: int) -> tuple[str | None, list[Item], str | None]:
        """The tail of an anchor that ends at `start`, the triples between it and the next anchor, which begins at
        `end`, and the head of that."""
        part = text[start:end]
        balanced, places = self.places(part)
        if not places:
            return None, [], None
        cuts = balanced or places[:1]
        first, last = cuts[0], cuts[-1]
        return part[: first[0]], self.others(part[first[1] - 1 : last[0] + 1]), part[last[1] :]

    def others(self, text: str) -> list[Item]:
        """What stands in brackets in a text without an anchor: triples with other relations, or something malformed.
        What has no separator is a number or a remark."""
        start, end = text.find(self.opening) + 1, text.rfind(self.closing)
        if not 0 < start <= end:
            return []
        inner = text[start:end]
        cuts = [0, *(place for pair in self.places(inner)[0] for place in pair), len(inner)]
        pieces = [inner[start:end] for start, end in zip(cuts[::2], cuts[1::2], strict=True)]
        return [self.triple(piece) or Malformed(piece[:200]) for piece in pieces if self.separator in piece]

    def brackets(self, text: str) -> Iterator[tuple[int, int]]:
        """Where brackets are, each with 1 if it opens and -1 if it closes."""
        for match in re.finditer(f"[{re.escape(self.opening + self.closing)}]", text):
            yield match.start(), 1 if match[0] == self.opening else -1

    def places(self, part: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Where a bracket closes and the next one opens: the places that leave no bracket unclosed, and all."""
        opening, closing = re.escape(self.opening), re.escape(self.closing)
        between = f"{closing}[^{opening}{closing}]*{opening}"
        ends = dict(match.span(1) for match in re.finditer(f"(?=({between}))", part))
        balanced, depth = list[tuple[int, int]](), 0
        for place, step in self.brackets(part):
            if depth == 0 and place in ends:
                balanced.append((place, ends[place]))
            depth += step
        return balanced, list(ends.items())

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
