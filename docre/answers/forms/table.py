"""A Markdown table with the columns head, relation, tail."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Form, Found, Item, Malformed, Relations, plain

BAR = re.compile(r"(?<!\\)\|")  # one that is not escaped
TITLES = {"head", "subject", "head entity", "relation", "predicate", "tail", "object", "tail entity"}


@FORMS.register("table")
class Table(Form):
    """`| head | relation | tail |`, in rows of a Markdown table."""

    reference = "chat assistants, when asked for a table"

    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        for row in map(str.strip, answer.splitlines()):
            if "|" not in row:
                continue
            cells = [cell.strip().replace("\\|", "|") for cell in BAR.split(row.removeprefix("|").removesuffix("|"))]
            if all(cell and not cell.strip("-: ") for cell in cells) or all(plain(cell) in TITLES for cell in cells):
                continue
            if len(cells) == 3 and all(cells):
                yield Found(*cells)
            else:
                yield Malformed(row[:200])

    def write(self, triples: Sequence[Found]) -> str:
        rows: list[tuple[str, ...]] = [("head", "relation", "tail"), ("---",) * 3]
        rows += [tuple(str(each).replace("|", "\\|") for each in (t.head, t.relation, t.tail)) for t in triples]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def ask(self) -> str:
        return f"Write a table in this form:\n{self.write([])}"
