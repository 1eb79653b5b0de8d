"""`["head", "relation", "tail"]`, one a line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Found, Item, Relations
from docre.answers.delimited import Delimited
from docre.answers.values import json_value, json_values_in, triples_in


@FORMS.register("lists")
class Lists(Delimited):
    """`["head", "relation", "tail"]`, one a line or several. What is JSON is read as that."""

    reference = "AutoRE: Xue et al. (2024), Document-Level Relation Extraction with Large Language Models, ACL"
    opening, closing, separator, quote = "[", "]", ",", '"'

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        whole = json_value(answer)
        if isinstance(whole, list):
            return triples_in(whole)
        items = [item for text in answer.splitlines() for item in self.read_text(text, relations, line)]
        if items:
            return items
        # lists that go over several lines, with text around them
        return [item for value in json_values_in(answer) if isinstance(value, list) for item in triples_in(value)]

    def read_text(self, text: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        """The triples of one line of the answer."""
        value = json_value(text.strip().rstrip(","))
        return triples_in(value) if isinstance(value, list) else super().read(text, relations, line)

    def write(self, triples: Sequence[Found]) -> str:
        return "\n".join(json.dumps([t.head, t.relation, t.tail], ensure_ascii=False) for t in triples)
