"""YES or NO, for the triple that the question names."""

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
    pair_of,
    relation_of,
)
from docre.documents import Document, Prediction

WORDS = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)


@FORMS.register("yes_no")
class YesNo(Form):
    """`YES` or `NO` to a triple (the fields `head`, `relation`, `tail`). Neither or both is malformed."""

    reference = "EP-RSR, and other work that verifies triples"
    keys = ("head", "relation", "tail")
    asks_about_candidates = True

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        head, tail = pair_of(line)
        relation = relation_of(line)
        said = {word.lower() in ("yes", "true") for word in WORDS.findall(answer)}
        if len(said) != 1:
            yield Malformed(answer.strip()[:200])
        elif said.pop():
            yield Found(head, relation, tail)

    def write(self, triples: Sequence[Found]) -> str:
        return "YES" if triples else "NO"

    def questions(
        self, document: Document, relations: Mapping[str, str], candidates: Sequence[Prediction] = ()
    ) -> Iterable[Question]:
        for triple in candidates:
            names = document.entities[triple.head].name, document.entities[triple.tail].name
            relation = relations.get(triple.relation, triple.relation)
            question = f'Does the text say that "{names[0]}" has the relation "{relation}" to "{names[1]}"?'
            yield question, {"head": triple.head, "relation": triple.relation, "tail": triple.tail}

    def ask(self) -> str:
        return "Answer with YES or NO."
