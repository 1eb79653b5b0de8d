"""Documents, with their entities and triples, and what is predicted for them.

They are plain, immutable values. A Document checks itself when it is created, so no other code has to expect a mention
outside its sentence or a triple of entities that do not exist.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from docre.documents.source import Source
from docre.errors import DocreError


@dataclass(frozen=True, slots=True)
class Mention:
    """One occurrence of an entity: the tokens [start, end) of one sentence."""

    name: str
    sentence: int
    start: int
    end: int
    type: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of a document: all the mentions that refer to it."""

    mentions: tuple[Mention, ...]

    @property
    def type(self) -> str:
        """The type of the first mention ("" for an entity without mentions)."""
        return self.mentions[0].type if self.mentions else ""

    @property
    def name(self) -> str:
        """The name of the first mention ("" for an entity without mentions)."""
        return self.mentions[0].name if self.mentions else ""


@dataclass(frozen=True, slots=True)
class Triple:
    """A relation that holds from entity `head` to entity `tail`, and the sentences that state it."""

    head: int
    tail: int
    relation: str
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """A predicted triple of the document called `title`.

    head, tail:    positions of the entities in the document.
    relation:      the relation's id.
    score:         s_r, the relation's logit.
    margin:        s_r minus its threshold; positive for every predicted triple.
    evidence:      the sentences that state the triple, if a submission names them.
    head_name, head_type, tail_name, tail_type: taken from the entities' first mentions.
    relation_name: the relation's readable name, or its id if it has none.
    probability:   the calibrated probability that the triple is correct; None without a calibration.

    Names, types and probability are for display: predictions compare equal whatever these are. Names and types are ""
    if unknown, as in a submission file.
    """

    title: str
    head: int
    tail: int
    relation: str
    score: float = 0.0
    margin: float = 0.0
    evidence: tuple[int, ...] = ()
    head_name: str = field(default="", compare=False)
    head_type: str = field(default="", compare=False)
    tail_name: str = field(default="", compare=False)
    tail_type: str = field(default="", compare=False)
    relation_name: str = field(default="", compare=False)
    probability: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Document:
    """A document with its entities and, if it is labeled, its triples.

    title:     the document's name, by which predictions refer to it.
    sentences: the tokens of each sentence.
    entities:  the entities; heads and tails of triples and pairs are positions in this sequence.
    triples:   the labels; None if the document is unlabeled. An empty sequence means that no relation holds.
    pairs:     the candidate (head, tail) pairs; None for all ordered pairs of different entities.
    source:    the plain text that the document was made from; None if unknown. Documents are equal whatever it is.

    Raises DocreError for a mention that is not within its sentence, and for a head, tail or evidence sentence that does
    not exist.
    """

    title: str
    sentences: Sequence[Sequence[str]]
    entities: Sequence[Entity]
    triples: Sequence[Triple] | None = None
    pairs: Sequence[tuple[int, int]] | None = None
    source: Source | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_text(cls, text: str, entities: Sequence[Mapping[str, Any]] = (), title: str = "text") -> "Document":
        """The document of a plain text with entities that are known, each a dict:

            {"mentions": [[start, end], ...], "type": "...", "score": 0.9}

        Mentions are characters [start, end) of the text (Unicode code points). Type and score (how sure the entity is,
        from 0 to 1) are optional. The document remembers text and characters in `source`. Raises DocreError that names
        the entity for anything else.
        """
        from docre.documents.plain import from_text

        return from_text(text, entities, title)

    def __post_init__(self) -> None:
        for e, entity in enumerate(self.entities):
            for m, mention in enumerate(entity.mentions):
                self._check_mention(mention, f"entity {e}, mention {m}")
        for i, triple in enumerate(self.triples or ()):
            self._check_triple(triple, f"label {i}")
        for i, (head, tail) in enumerate(self.pairs or ()):
            self.check_entity(head, f"pair {i}: head")
            self.check_entity(tail, f"pair {i}: tail")

    def fail(self, message: str) -> DocreError:
        """The exception (returned, not raised) for an error in this document; its message begins with the title."""
        return DocreError(f"document {self.title!r}: {message}")

    def _check_mention(self, mention: Mention, where: str) -> None:
        if not 0 <= mention.sentence < len(self.sentences):
            raise self.fail(f"{where}: sentence {mention.sentence} does not exist ({len(self.sentences)} sentences)")
        length = len(self.sentences[mention.sentence])
        if not 0 <= mention.start < mention.end <= length:
            raise self.fail(
                f"{where}: tokens [{mention.start}, {mention.end}) are not inside sentence {mention.sentence} "
                f"({length} tokens)"
            )

    def _check_triple(self, triple: Triple, where: str) -> None:
        self.check_entity(triple.head, f"{where}: head")
        self.check_entity(triple.tail, f"{where}: tail")
        for sentence in triple.evidence:
            if not 0 <= sentence < len(self.sentences):
                raise self.fail(
                    f"{where}: evidence sentence {sentence} does not exist ({len(self.sentences)} sentences)"
                )

    def check_entity(self, index: int, where: str) -> None:
        """Raises DocreError, which says `where`, if the document has no entity at this position."""
        if not 0 <= index < len(self.entities):
            raise self.fail(f"{where} entity {index} does not exist ({len(self.entities)} entities)")

    @property
    def plain_text(self) -> str:
        """The tokens with a space between them, whatever text the document was made from (see `source`)."""
        return " ".join(" ".join(sentence) for sentence in self.sentences)

    @property
    def num_candidate_pairs(self) -> int:
        """The number of candidate pairs, computed without listing them."""
        return len(self.entities) * (len(self.entities) - 1) if self.pairs is None else len(set(self.pairs))

    def among_candidates(self, pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of some (head, tail) pairs of entities of the document that are candidate pairs."""
        if self.pairs is None:
            return {(head, tail) for head, tail in pairs if head != tail}
        return set(pairs) & set(self.pairs)

    @cached_property
    def candidate_pairs(self) -> Sequence[tuple[int, int]]:
        """The (head, tail) pairs to classify: `pairs` without duplicates, or else all ordered pairs, sorted by head."""
        if self.pairs is not None:
            return list(dict.fromkeys(self.pairs))
        entities = range(len(self.entities))
        return [(head, tail) for head in entities for tail in entities if head != tail]


def check_titles(documents: Iterable[Document], source: str) -> None:
    """Raises DocreError, beginning with `source`, if two documents share a title: a submission refers to documents by
    title."""
    seen: set[str] = set()
    for document in documents:
        add_title(document, seen, source)


def add_title(document: Document, seen: set[str], source: str) -> None:
    """Add the title of a document to those `seen` before. Raises DocreError as `check_titles` does."""
    if document.title in seen:
        raise DocreError(
            f"{source}: two documents have the title {document.title!r}; predictions refer to documents by title"
        )
    seen.add(document.title)


@dataclass(frozen=True)
class LabelStatistics:
    """Label counts of the training set, from which losses derive parameters.

    pairs:     number of candidate pairs.
    positives: for each relation, in schema order, the number of pairs for which it holds.
    """

    pairs: int
    positives: tuple[int, ...]
