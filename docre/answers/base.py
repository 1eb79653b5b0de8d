"""The base of all forms of answers, and what they have in common: the names of relations."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from docre.core.registry import Registry
from docre.documents import Document, Prediction
from docre.errors import DocreError

NOTHING = frozenset({"none", "na", "n/a", "no relation", "no_relation", "-", ""})  # what stands for no relation
QUOTES = "\"'`“”‘’"


@dataclass(frozen=True)
class Found:
    """A triple as an answer states it. Head and tail are texts, or positions of entities if the question named them."""

    head: str | int
    relation: str
    tail: str | int


@dataclass(frozen=True)
class Malformed:
    """A part of an answer that should be a triple and is not."""

    text: str


Item = Found | Malformed
Question = tuple[str, dict[str, Any]]  # with the fields that reading its answer takes


class Relations:
    """The relations of a schema by id and by name, without regard to case, white space and underscores."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """names: the name of each relation, by its id."""
        self.names = dict(names)
        first: dict[str, str] = {}
        for id_, name in names.items():
            if first.setdefault(plain(name), id_) != id_:
                raise DocreError(f"relations {first[plain(name)]} and {id_} have one name, but for case: {name!r}")
        self.ids = {plain(name): id_ for id_, name in names.items()} | {plain(id_): id_ for id_ in names}
        self.pattern = one_of({*names, *names.values(), "no relation"})
        self.nothing = one_of(NOTHING - {""})

    def id_of(self, text: str) -> str | None:
        """The id of a relation; None if the schema has none of this id or name."""
        return self.ids.get(plain(text))


def one_of(names: Collection[str]) -> str:
    """A regular expression for one of these names, the longest that is there, with any white space or underscores."""
    longest = sorted(names, key=lambda name: (-len(name), name))
    return "|".join(r"[\s_]+".join(map(re.escape, re.split(r"[\s_]+", name))) for name in longest)


def plain(text: str) -> str:
    """A name without regard to case, white space, underscores and quotes around it."""
    return " ".join(text.strip().strip(QUOTES).replace("_", " ").split()).casefold()


def is_nothing(text: str) -> bool:
    """Whether a text stands for "no relation"."""
    return text.strip().strip(QUOTES).strip(".").strip().casefold() in NOTHING


def pair_of(line: Mapping[str, Any]) -> tuple[int, int]:
    """The entities that a question is about. Raises ValueError if they are not positions."""
    head, tail = line.get("head"), line.get("tail")
    for name, value in (("head", head), ("tail", tail)):
        if type(value) is not int or value < 0:
            raise ValueError(f"{name!r}: expected the position of the entity that the question is about")
    return head, tail  # type: ignore[return-value]


def relation_of(line: Mapping[str, Any]) -> str:
    """The relation that a question is about. Raises ValueError if it is not a text."""
    relation = line.get("relation")
    if not isinstance(relation, str):
        raise ValueError("'relation': expected the relation that the question is about")
    return relation


class Form(ABC):
    """How an answer states triples: one class a form, registered by name.

    reference: where the form is published.
    keys:      the fields that a line needs besides title and answer, for forms whose question names them.
    asks_about_candidates: whether questions are about candidate triples, which have to be given.
    """

    reference: ClassVar[str]
    keys: ClassVar[Sequence[str]] = ()
    asks_about_candidates: ClassVar[bool] = False

    @abstractmethod
    def read(self, answer: str, relations: Relations, line: Mapping[str, Any]) -> Iterable[Item]:
        """The triples in an answer. It takes any text, in a time that grows with its length only, and raises nothing.

        line: the answer's object, with the fields `keys`. Raises ValueError, with what was expected, if one of these
        has the wrong type.
        """

    @abstractmethod
    def write(self, triples: Sequence[Found]) -> str:
        """An answer that states these triples: what `read` reads back."""

    def questions(
        self, document: Document, relations: Mapping[str, str], candidates: Sequence[Prediction] = ()
    ) -> Iterable[Question]:
        """The questions about a document, each with the fields `keys`: a single one, about all triples, unless a form
        says otherwise. `candidates`: triples of the document, for a form that `asks_about_candidates`."""
        listed = ", ".join(relations.values())
        yield f"Which of these relations hold between the entities? Relations: {listed}.", {}

    @abstractmethod
    def ask(self) -> str:
        """What a prompt says about the form."""


FORMS: "Registry[Form]" = Registry("form", "docre.answers.forms", Form)
