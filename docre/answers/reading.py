"""Reads a file of answers as predictions, and counts what cannot be used and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docre.answers.base import FORMS, Form, Found, Malformed, Relations, is_nothing
from docre.answers.entities import AMBIGUOUS, Names
from docre.core.files import parse_json, read_text
from docre.documents import Document, Prediction
from docre.errors import DocreError

SIMILARITY = 0.8
COUNTED = {
    "malformed": "parts of answers that are no triples",
    "outside": "triples with a relation that the schema does not have",
    "nothing": "pairs that were said to have no relation",
    "unmapped": "triples with a name that means no entity of the document",
    "ambiguous": "triples with a name that several entities have, which are never guessed",
    "itself": "triples of an entity with itself",
    "duplicates": "triples that were said before",
    "unknown_titles": "answers for titles that the gold documents do not have",
}


@dataclass
class Read:
    """The predictions in a file of answers, the number of answers and of documents with one, and what was counted (the
    keys of COUNTED), with an example of each."""

    predictions: list[Prediction] = field(default_factory=list)
    answers: int = 0
    documents: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def count(self, what: str, example: str) -> None:
        """Count something that cannot be used."""
        self.counts[what] += 1
        self.examples.setdefault(what, " ".join(example.split())[:80])

    def lines(self) -> list[str]:
        """The counts, to print."""
        made = [f"{self.answers:,} answers for {self.documents:,} documents: {len(self.predictions):,} triples"]
        for what, meaning in COUNTED.items():
            if self.counts[what]:
                made.append(f"{self.counts[what]:>7,} {meaning} (as {self.examples[what]!r})")
        return made


def read_answers(
    path: str | Path,
    documents: Sequence[Document],
    relations: Mapping[str, str],
    form: str,
    similarity: float = SIMILARITY,
) -> Read:
    """The predictions in a .jsonl file of answers, {"title": ..., "answer": ...} a line, with the fields that the form
    needs.

    relations:  the names of the relations, by their ids.
    similarity: of a name to a mention, at least (see docre.answers.entities).

    No answer raises an error, whatever it says. Raises DocreError, which names the line, for a line that is not such an
    object, and for an unknown form.
    """
    reader: Form = FORMS.build(form, {})
    known, by_title = Relations(relations), {document.title: document for document in documents}
    names: dict[str, Names] = {}
    found, said = Read(), set[tuple[str, int, int, str]]()
    answered = set()
    for number, text in enumerate(read_text(path).split("\n"), 1):
        if not text.strip():
            continue
        line = parse_line(text, path, number)
        found.answers += 1
        document = by_title.get(line["title"])
        if document is None:
            found.count("unknown_titles", line["title"])
            continue
        answered.add(document.title)
        if document.title not in names:
            names[document.title] = Names.of(document)
        try:
            items = list(reader.read(line["answer"], known, line))
        except ValueError as error:
            raise DocreError(f"{path}: line {number}: {error}") from None
        for item in items:
            triple = understood(item, document, names[document.title], known, similarity, found)
            if triple is None:
                continue
            if triple in said:
                found.count("duplicates", str(item))
                continue
            said.add(triple)
            found.predictions.append(Prediction(*triple))
    found.documents = len(answered)
    return found


def parse_line(text: str, path: str | Path, number: int) -> dict[str, Any]:
    """A line of the file. Raises DocreError that names file and line."""
    line = parse_json(text, str(path), number)
    if not isinstance(line, dict) or not all(isinstance(line.get(key), str) for key in ("title", "answer")):
        raise DocreError(f'{path}: line {number}: expected an object with texts in "title" and "answer"')
    return line


def understood(
    item: Found | Malformed, document: Document, names: Names, relations: Relations, similarity: float, read: Read
) -> tuple[str, int, int, str] | None:
    """The title, entities and relation that an item means; None, and counted, if it means no triple."""
    if isinstance(item, Malformed):
        read.count("malformed", item.text)
        return None
    said = f"{item.head} | {item.relation} | {item.tail}"
    relation = relations.id_of(item.relation)
    if relation is None:
        read.count("nothing" if is_nothing(item.relation) else "outside", said)
        return None
    entities = []
    for side in (item.head, item.tail):
        if isinstance(side, int):
            entity = side if side < len(document.entities) else None
        else:
            entity = names.entity(side, similarity)
        if entity is None or entity == AMBIGUOUS:
            read.count("unmapped" if entity is None else "ambiguous", said)
            return None
        entities.append(entity)
    head, tail = entities
    if head == tail:
        read.count("itself", said)
        return None
    return document.title, head, tail, relation
