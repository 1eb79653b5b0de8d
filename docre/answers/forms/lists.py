"""`["head", "relation", "tail"]`, one a line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Found, Item, Relations
from docre.answers.delimited import Delimited
from docre.answers.values import json_value, triples_in


@FORMS.register("lists")
class Lists(Delimited):
    """`["head", "relation", "tail"]`, one a line or several. What is JSON is read as that."""

    reference = "AutoRE: Xue et al. (2024), Document-Level Relation Extraction with Large Language Models, ACL"
    opening, closing, separator, quote = "[", "]", ",", '"'

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        whole = json_value(answer)
        if isinstance(whole, list):
            yield from triples_in(whole)
            return
        for text in answer.splitlines():
            value = json_value(text.strip().rstrip(","))
            if isinstance(value, list):
                yield from triples_in(value)
            else:
                yield from super().read(text, relations, line)

    def write(self, triples: Sequence[Found]) -> str:
        return "\n".join(json.dumps([t.head, t.relation, t.tail], ensure_ascii=False) for t in triples)
