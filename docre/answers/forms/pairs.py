"""`head ## tail`, one a line, for the relation that the question names."""

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
    relation_of,
)
from docre.documents import Document, Prediction

MARK = "##"


@FORMS.register("pairs")
class Pairs(Form):
    """`head ## tail`, one a line, of the relation that the question is about (the field `relation`)."""

    reference = "AutoRE: Xue et al. (2024), Document-Level Relation Extraction with Large Language Models, ACL"
    keys = ("relation",)

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        relation = relation_of(line)
        for text in map(str.strip, answer.splitlines()):
            if not text or is_nothing(text):
                continue
            parts = [part.strip() for part in text.split(MARK)]
            if len(parts) == 2 and all(parts):
                yield Found(parts[0], relation, parts[1])
            else:
                yield Malformed(text[:200])

    def write(self, triples: Sequence[Found]) -> str:
        return "\n".join(f"{t.head} {MARK} {t.tail}" for t in triples)

    def questions(
        self, document: Document, relations: Mapping[str, str], candidates: Sequence[Prediction] = ()
    ) -> Iterable[Question]:
        for id_, name in relations.items():
            question = f'Which pairs of entities have the relation "{name}"? Write None if there are none.'
            yield question, {"relation": id_}

    def ask(self) -> str:
        return f"Write one line for each pair, in this form: head {MARK} tail"
