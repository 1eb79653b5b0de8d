"""Letters of options, for the pair that the question names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docre.answers.base import (
    FORMS,
    Form,
    Found,
    Item,
    Malformed,
    Question,
    Relations,
    is_nothing,
    pair_of,
)
from docre.documents import Document, Prediction

LETTERS = re.compile(r"(?<![A-Za-z])([A-Z]{1,3})(?![A-Za-z])")


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
        longest = max(map(len, options), default=1)
        letters = [found for found in LETTERS.findall(answer) if len(found) <= max(2, longest)]
        if not letters:
            yield Malformed(answer.strip()[:200])
        for letter in letters:
            if letter in options:
                yield Found(head, options[letter], tail)
            else:
                yield Malformed(letter)

    def write(self, triples: Sequence[Found]) -> str:
        return ", ".join(map(letters, range(len(triples))))

    def questions(
        self, document: Document, relations: Mapping[str, str], candidates: Sequence[Prediction] = ()
    ) -> Iterable[Question]:
        options = {letters(i): id_ for i, id_ in enumerate(relations)}
        listed = "\n".join(f"{letter}. {relations[id_]}" for letter, id_ in options.items())
        for head, tail in document.candidate_pairs:
            names = document.entities[head].name, document.entities[tail].name
            question = f'Which relations does "{names[0]}" have to "{names[1]}"?'
            yield f"{question}\n{listed}", {"head": head, "tail": tail, "options": options}

    def ask(self) -> str:
        return "Answer with the letters of all options that are right, and nothing else; with None if none is."


def letters(i: int) -> str:
    """A, B, ..., Z, AA, AB, ..., ZZ, AAA, ..."""
    return ("" if i < 26 else letters(i // 26 - 1)) + chr(65 + i % 26)
