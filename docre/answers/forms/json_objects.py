"""A JSON list of objects with head, relation and tail."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Form, Found, Item, Malformed, Relations
from docre.answers.values import json_value, triples_in


@FORMS.register("json")
class JsonObjects(Form):
    """`[{"head": ..., "relation": ..., "tail": ...}]`, perhaps in a fence or with text around it."""

    reference = "structured output of language models"

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        value = json_value(answer)
        for opening, closing in ("[]", "{}"):
            if value is None and opening in answer and closing in answer:
                value = json_value(answer[answer.index(opening) : answer.rindex(closing) + 1])
        if value is None:
            if answer.strip():
                yield Malformed(answer.strip()[:200])
            return
        yield from triples_in(value)

    def write(self, triples: Sequence[Found]) -> str:
        objects = [{"head": t.head, "relation": t.relation, "tail": t.tail} for t in triples]
        return json.dumps(objects, ensure_ascii=False, indent=1)

    def ask(self) -> str:
        return f"Write nothing but JSON, in this form: {self.write([Found('head', 'relation', 'tail')])}"
