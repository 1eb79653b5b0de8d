"""Label schemas: the relations of a corpus, their order and their readable names."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from docre.core.files import read_json, write_json
from docre.documents import Document, LabelStatistics
from docre.errors import DocreError, prefixed

SHIPPED = Path(__file__).parent / "schemas"


@dataclass(frozen=True)
class LabelSchema:
    """The relations of a corpus in the order of the label columns, without NA.

    relations: their ids. Raises DocreError if there are none, or one is listed twice.
    names:     readable names by id; some or all may be missing.
    """

    relations: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.relations:
            raise DocreError("label schema: no relations")
        if len(set(self.relations)) != len(self.relations):
            raise DocreError("label schema: a relation is listed twice")

    @cached_property
    def index(self) -> dict[str, int]:
        """The position of each relation."""
        return {relation: i for i, relation in enumerate(self.relations)}

    def name(self, relation: str) -> str:
        """The readable name of a relation, or its id if it has none."""
        return self.names.get(relation, relation)

    @property
    def readable_names(self) -> dict[str, str]:
        """The readable name of every relation, in order."""
        return {relation: self.name(relation) for relation in self.relations}

    def check(self, documents: Iterable[Document], path: str | Path) -> None:
        """Raises DocreError, beginning with `path`, if the relation of a label is not in this schema."""
        for document in documents:
            for i, triple in enumerate(document.triples or ()):
                if triple.relation not in self.index:
                    raise DocreError(
                        f"{path}: {document.fail(f'label {i}: unknown relation {triple.relation!r}')} "
                        f"(the schema has {len(self.relations)} relations, {', '.join(self.relations[:3])}, ...)"
                    )

    def save(self, path: str | Path) -> None:
        """Write the schema as JSON: a list of {id, name} in order."""
        write_json(path, [{"id": relation, "name": name} for relation, name in self.readable_names.items()])


class LabelCounter:
    """Counts the labels of documents, one document after another.

    relations: the relations that occur in labels.
    pairs:     number of candidate pairs.
    positives: for each relation, number of candidate pairs for which it holds (duplicate labels count once).
    """

    def __init__(self) -> None:
        self.relations: set[str] = set()
        self.pairs = 0
        self.positives: Counter[str] = Counter()

    def add(self, document: Document) -> None:
        """Count the labels of one more document."""
        triples = {(t.head, t.tail, t.relation) for t in document.triples or ()}
        candidates = document.among_candidates((head, tail) for head, tail, _ in triples)
        self.pairs += document.num_candidate_pairs
        self.relations.update(relation for _, _, relation in triples)
        self.positives.update(relation for head, tail, relation in triples if (head, tail) in candidates)

    def statistics(self, schema: LabelSchema) -> LabelStatistics:
        """The number of candidate pairs, and of those for which each relation of the schema holds."""
        return LabelStatistics(self.pairs, tuple(self.positives[relation] for relation in schema.relations))


def count_labels(documents: Iterable[Document]) -> LabelCounter:
    """The counter after all these documents."""
    counter = LabelCounter()
    for document in documents:
        counter.add(document)
    return counter


def relations_of(documents: Iterable[Document]) -> set[str]:
    """All relations that occur in the labels of documents."""
    return {triple.relation for document in documents for triple in document.triples or ()}


def schema_of(documents: Iterable[Document]) -> LabelSchema:
    """The `alphabetical_schema` of the relations that occur in the labels of documents."""
    return alphabetical_schema(relations_of(documents))


def alphabetical_schema(relations: Collection[str]) -> LabelSchema:
    """The schema of relations found in labels, in alphabetical order. Raises DocreError if there are none."""
    if not relations:
        raise DocreError("no labels to take the relations from: give a label schema in data.relations")
    return LabelSchema(tuple(sorted(relations)))


def shipped_schemas() -> list[str]:
    """The names of the built-in schemas: those of DocRED (96 named relations), DWIE (65), CDR and GDA (1 each)."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def load_schema(path: str | Path) -> LabelSchema:
    """A built-in schema by its name ("docred"), or one in a JSON file: a list of {id, name} as `save` writes it, an
    object {id: name}, or {id: index} as in DocRED's rel2id.json, without "Na" and "NA". Raises DocreError for anything
    else."""
    if str(path) in shipped_schemas():
        path = SHIPPED / f"{path}.json"
    elif len(Path(path).parts) == 1 and not os.path.exists(path):
        raise DocreError(f"{path}: neither a file nor one of docre's label schemas: {', '.join(shipped_schemas())}")
    content = read_json(path)
    with prefixed(path):
        return parse_schema(content)


def parse_schema(content: Any) -> LabelSchema:
    """The schema in a JSON value of one of the forms that `load_schema` reads. Raises DocreError for anything else."""
    if isinstance(content, list):
        if not all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in content):
            raise DocreError('expected a list of {"id": ..., "name": ...}')
        return LabelSchema(
            tuple(item["id"] for item in content),
            {item["id"]: item["name"] for item in content if isinstance(item.get("name"), str)},
        )
    if isinstance(content, dict) and content:
        content = {key: value for key, value in content.items() if key not in ("Na", "NA")}
        if all(isinstance(value, str) for value in content.values()):
            return LabelSchema(tuple(content), content)
        if all(type(value) is int for value in content.values()):
            return LabelSchema(tuple(sorted(content, key=content.__getitem__)))
    raise DocreError("expected a label schema: a list of {id, name}, or an object of names or of indices")
