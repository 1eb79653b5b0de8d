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

WORD = re.compile(r"[^\W\d_]+")
LETTERS = r"[A-Z]{1,3}(?![^\W\d_])"
LIST = rf"{LETTERS}(?:(?:[\W_]|\band\b|\bor\b)+{LETTERS})*"
AT_START = re.compile(rf"^(?:[^\w\n]|_)*({LETTERS})\**[.):]", re.MULTILINE)  # of a line: "A. country"
LED_IN = re.compile(rf"(?i:\b(?:answers?|options?)\b(?:[\W_]|\b(?:is|are)\b)*)({LIST})")
NONE = re.compile(r"[\W_]*(?:none|n/a|nothing|no[\W_]relations?)\b", re.IGNORECASE)


@FORMS.register("options")
class Options(Form):
    """`A, C`: letters of the options that the question lists (the field `options`, {letter: relation}) for a pair of
    entities (the fields `head` and `tail`, positions). Also lines that begin with one, as `A. country`, and "the answer
    is C"."""

    reference = "EP-RSR, and other work that asks multiple-choice questions"
    keys = ("head", "tail", "options")

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        head, tail = pair_of(line)
        options = line.get("options")
        if not isinstance(options, dict) or not all(isinstance(each, str) for each in options.values()):
            raise ValueError("'options': expected an object of relations by letter")
        if is_nothing(answer) or NONE.match(answer):
            return
        letters = letters_in(answer)
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


def letters_in(answer: str) -> list[str]:
    """The letters that an answer gives: all of its words, if they are letters; or else those at the beginning of lines,
    before "." or ")" or ":"; or else those after the word "answer" or "option". In a sentence "I" and "A" are words."""
    words = [word for word in WORD.findall(answer) if word not in ("and", "or")]
    if all(re.fullmatch(LETTERS, word) for word in words):
        return words
    at_start: list[str] = AT_START.findall(answer)
    return at_start or [letter for found in LED_IN.findall(answer) for letter in re.findall(LETTERS, found)]


def letters(i: int) -> str:
    """A, B, ..., Z, AA, AB, ..., ZZ, AAA, ..."""
    return ("" if i < 26 else letters(i // 26 - 1)) + chr(65 + i % 26)
