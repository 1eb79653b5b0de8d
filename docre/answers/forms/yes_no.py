"""YES or NO, for the triple that the question names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Form, Found, Item, Malformed, Relations
from docre.answers.forms.options import pair_of

WORDS = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)


@FORMS.register("yes_no")
class YesNo(Form):
    """`YES` or `NO` to a triple (the fields `head`, `relation`, `tail`). Neither or both is malformed."""

    reference = "EP-RSR, and other work that verifies triples"
    keys = ("head", "relation", "tail")

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        head, tail = pair_of(line)
        relation = line.get("relation")
        if not isinstance(relation, str):
            raise ValueError("'relation': expected the relation that the question is about")
        said = {word.lower() in ("yes", "true") for word in WORDS.findall(answer)}
        if len(said) != 1:
            yield Malformed(answer.strip()[:200])
        elif said.pop():
            yield Found(head, relation, tail)

    def write(self, triples: Sequence[Found]) -> str:
        return "YES" if triples else "NO"

    def ask(self) -> str:
        return "Answer with YES or NO."
