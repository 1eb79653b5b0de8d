"""Suggestions to change labels, and what a reviewer decided about them: what the files of an audit hold."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from docre.core.files import read_json, write_json
from docre.errors import DocreError

KINDS = ("missing", "wrong")
DECISIONS = ("accept", "reject", "unsure")
EXPECTED = "expected suggestions, as docre audit and its review page write them"


@dataclass(frozen=True)
class Suggestion:
    """A label to add ("missing") or to remove ("wrong").

    document:    the position of the document in the file; `title` is its title.
    head, tail, relation: the triple, with names for people.
    probability: that the label is missing, or that it is wrong (see docre.audit.faults).
    agreement:   the share of the judges whose decision (predicted or not) differs from the label; None if there is one.
    evidence:    the sentences to look at.
    decision:    "accept" (change the label), "reject" (it is right as it is), "unsure", or None before a review.
    """

    kind: str
    document: int
    title: str
    head: int
    tail: int
    relation: str
    probability: float
    agreement: float | None
    evidence: tuple[int, ...] = ()
    head_name: str = ""
    tail_name: str = ""
    relation_name: str = ""
    decision: str | None = None


@dataclass(frozen=True)
class Suggestions:
    """The suggestions of an audit, the most probable first, with the file of documents that they are for.

    data, digest, reader: the path of the file, its SHA-256 and its format.
    """

    data: str
    digest: str
    reader: str
    suggestions: Sequence[Suggestion]

    def to_json(self) -> dict[str, Any]:
        """What `save` writes and `read_suggestions` reads."""
        about = {"data": self.data, "digest": self.digest, "reader": self.reader}
        return about | {"suggestions": [asdict(suggestion) for suggestion in self.suggestions]}

    def save(self, path: str | Path) -> None:
        """Write them as JSON, atomically."""
        write_json(path, self.to_json())


def read_suggestions(path: str | Path) -> Suggestions:
    """Read what `Suggestions.save` or the review page wrote. Raises DocreError that names the suggestion and the field
    for anything else."""
    value = read_json(path)
    if not isinstance(value, dict) or set(value) != {"data", "digest", "reader", "suggestions"}:
        raise DocreError(f"{path}: {EXPECTED}")
    listed = value["suggestions"]
    if not isinstance(listed, list) or not all(isinstance(value[key], str) for key in ("data", "digest", "reader")):
        raise DocreError(f"{path}: {EXPECTED}")
    found = [parse(item, f"{path}: suggestion {i}") for i, item in enumerate(listed)]
    return Suggestions(value["data"], value["digest"], value["reader"], found)


def parse(item: Any, where: str) -> Suggestion:
    """The suggestion in a JSON object. Raises DocreError that begins with `where`."""
    names = [field.name for field in fields(Suggestion)]
    if not isinstance(item, dict) or set(item) - set(names):
        raise DocreError(f"{where}: expected an object with {', '.join(names)}")

    def get(name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        value = item.get(name, default)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise DocreError(f"{where}: {name}: unexpected value {value!r}")
        return value

    evidence = get("evidence", list, [])
    if not all(type(sentence) is int for sentence in evidence):
        raise DocreError(f"{where}: evidence: expected numbers of sentences, got {evidence!r}")
    for name, allowed in (("kind", KINDS), ("decision", (*DECISIONS, None))):
        if item.get(name) not in allowed:
            raise DocreError(f"{where}: {name}: expected one of {', '.join(map(str, allowed))}, got {item.get(name)!r}")
    return Suggestion(
        item["kind"],
        get("document", int),
        get("title", str),
        get("head", int),
        get("tail", int),
        get("relation", str),
        float(get("probability", (int, float))),
        None if item.get("agreement", 0) is None else float(get("agreement", (int, float))),
        tuple(evidence),
        get("head_name", str, ""),
        get("tail_name", str, ""),
        get("relation_name", str, ""),
        item.get("decision"),
    )
