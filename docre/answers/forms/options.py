"""Letters of options, for the pair that the question names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Form, Found, Item, Malformed, Relations, is_nothing

LETTERS = re.compile(r"(?<![A-Za-z])([A-Z]{1,2})(?![A-Za-z])")


@FORMS.register("options")
class Options(Form):
    """`A, C`: letters of the options that the question lists (the field `options`, {letter: relation}) for a pair of
    entities (the fields `head` and `tail`, positions)."""

    reference = "EP-RSR, and other work that asks multiple-choice questions"
    keys = ("head", "tail", "options")

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        head, tail = pair_of(line)
        options = line.get("options")
        if not isinstance(options, dict) or not all(isinstance(each, str) for each in options.values()):
            raise ValueError("'options': expected an object of relations by letter")
        if is_nothing(answer):
            return
        letters = LETTERS.findall(answer)
        if not letters:
            yield Malformed(answer.strip()[:200])
        for letter in letters:
            if letter in options:
                yield Found(head, options[letter], tail)
            else:
                yield Malformed(letter)

    def write(self, triples: Sequence[Found]) -> str:
        return ", ".join(chr(ord("A") + i) for i in range(len(triples)))

    def ask(self) -> str:
        return "Answer with the letters of all options that are right, and nothing else; with None if none is."


def pair_of(line: Mapping[str, Any]) -> tuple[int, int]:
    """The entities that a question is about. Raises ValueError if they are not positions."""
    head, tail = line.get("head"), line.get("tail")
    for name, value in (("head", head), ("tail", tail)):
        if type(value) is not int or value < 0:
            raise ValueError(f"{name!r}: expected the position of the entity that the question is about")
    return head, tail  # type: ignore[return-value]
