"""The label schema: which relations there are, in which order, and what they are called."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from docre.core.files import read_json, write_json
from docre.documents import Document, LabelStatistics
from docre.errors import DocreError

SHIPPED = Path(__file__).parent / "schemas"


@dataclass(frozen=True)
class LabelSchema:
    """The real relations (never NA) in a fixed order; `names` gives some of them a readable name."""

    relations: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.relations:
            raise DocreError("label schema: no relations")
        if len(set(self.relations)) != len(self.relations):
            raise DocreError("label schema: a relation is listed twice")

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each relation."""
        return {relation: i for i, relation in enumerate(self.relations)}

    def name(self, relation: str) -> str:
        """The readable name of a relation; its id where it has none."""
        return self.names.get(relation, relation)

    def check(self, documents: Iterable[Document], path: str | Path) -> None:
        """Raises DocreError where a label's relation is not in this schema."""
        for document in documents:
            for i, triple in enumerate(document.triples or ()):
                if triple.relation not in self.index:
                    raise DocreError(
                        f"{path}: {document.fail(f'label {i}: unknown relation {triple.relation!r}')} "
                        f"(the schema has {len(self.relations)} relations, {', '.join(self.relations[:3])}, ...)"
                    )

    def save(self, path: str | Path) -> None:
        """Write as JSON: a list of {id, name} in order."""
        write_json(path, [{"id": relation, "name": self.name(relation)} for relation in self.relations])


def schema_of(documents: Iterable[Document]) -> LabelSchema:
    """The relations that occur in labeled documents, in alphabetical order."""
    relations = {triple.relation for document in documents for triple in document.triples or ()}
    if not relations:
        raise DocreError("the data has no label, so no label schema can be taken from it: give one in data.relations")
    return LabelSchema(tuple(sorted(relations)))


def label_statistics(documents: Iterable[Document], schema: LabelSchema) -> LabelStatistics:
    """How many candidate pairs there are, and how many each relation holds for (duplicate labels count once)."""
    pairs, positives = 0, [0] * len(schema.relations)
    for document in documents:
        candidates = set(document.candidate_pairs)
        pairs += len(candidates)
        for head, tail, relation in {(t.head, t.tail, t.relation) for t in document.triples or ()}:
            positives[schema.index[relation]] += (head, tail) in candidates
    return LabelStatistics(pairs, tuple(positives))


def shipped_schemas() -> list[str]:
    """The names of the schemas that docre carries: DocRED's 96 relations with their names, DWIE's 65, CDR's, GDA's."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def load_schema(path: str | Path) -> LabelSchema:
    """A schema that docre carries, by its name ("docred"), or one from a file: what `save` writes, {id: name}, or
    {id: index} as in DocRED's rel2id.json, where "Na" and "NA" are left out. Raises DocreError for anything else."""
    if str(path) in shipped_schemas():
        path = SHIPPED / f"{path}.json"
    elif len(Path(path).parts) == 1 and not os.path.exists(path):
        raise DocreError(f"{path}: no such file, nor one of docre's label schemas: {', '.join(shipped_schemas())}")
    content = read_json(path)
    try:
        return parse_schema(content)
    except DocreError as error:
        raise DocreError(f"{path}: {error}") from None


def parse_schema(content: Any) -> LabelSchema:
    """The schema in a JSON value."""
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
    raise DocreError("expected a label schema: a list of {id, name}, or an object of names or indices")
