"""A JSON list of objects with head, relation and tail."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Form, Found, Item, Malformed, Relations
from docre.answers.values import json_value, json_values_in, triples_in


@FORMS.register("json")
class JsonObjects(Form):
    """`[{"head": ..., "relation": ..., "tail": ...}]`, perhaps in a fence or with text around it. Of several lists the
    last counts; objects may also stand alone, one after another."""

    reference = "structured output of language models"

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        whole = json_value(answer)
        values = json_values_in(answer) if whole is None else [whole]
        if not values and answer.strip():
            yield Malformed(answer.strip()[:200])
        # what has no triple in it, as "see [1]", is text if something else has one
        values = [value for value in values if any(isinstance(x, Found) for x in triples_in(value))] or values
        if not all(isinstance(value, dict) for value in values):
            values = values[-1:]  # of several lists the last is meant, after drafts
        for value in values:
            yield from triples_in(value)

    def write(self, triples: Sequence[Found]) -> str:
        objects = [{"head": t.head, "relation": t.relation, "tail": t.tail} for t in triples]
        return json.dumps(objects, ensure_ascii=False, indent=1)

    def ask(self) -> str:
        return f"Write nothing but JSON, in this form: {self.write([Found('head', 'relation', 'tail')])}"
