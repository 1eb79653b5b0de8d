"""What is extracted from a plain text: entities and triples, with the characters of the text that they come from.

The counterpart of a Document whose entities are found instead of given. All positions are characters of `text`
(Unicode code points), with the end excluded, so that `text[start:end]` is what is meant.
"""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from docre.errors import DocreError

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Span:
    """The characters [start, end) of a text; `score`, from 0 to 1, tells how sure their finder is, if known."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    start: int
    end: int
    score: float | None = None


@dataclass(frozen=True)
class ExtractedEntity:
    """An entity of a text.

    name:     the mention that names it best.
    type:     its type, "" if unknown.
    mentions: its mentions in the order of the text.
    score:    how sure it is that these mentions are one entity of this type, from 0 to 1; None if unknown.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: str
    type: str
    mentions: tuple[Span, ...]
    score: float | None = None


@dataclass(frozen=True)
class ExtractedTriple:
    """A relation between two entities of a text.

    head, tail:    positions in the entities of the extraction.
    relation:      the relation's id.
    relation_name: its readable name.
    head_mention, tail_mention: the two mentions that are nearest to each other.
    evidence:      the sentences that state it; empty if unknown.
    margin:        the score of the relation minus its threshold.
    confidence:    the calibrated probability that the triple is correct, its entities included; None if unknown.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    head: int
    tail: int
    relation: str
    relation_name: str
    head_mention: Span
    tail_mention: Span
    evidence: tuple[Span, ...] = ()
    margin: float = 0.0
    confidence: float | None = None


@dataclass(frozen=True)
class Provenance:
    """Where an extraction comes from, as `docre extract` notes it.

    source:      the file of the text as it was given; "-" for standard input, the title for a text as an argument.
    line:        its line in a .jsonl file, from 1; None elsewhere.
    checkpoints: as they were given: one, or those of an ensemble.
    weights:     the digest of their weights; None if unknown.
    tagger:      the name of the tagger; None if the entities were given, or it has no name.
    docre:       the version of docre.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    source: str
    line: int | None
    checkpoints: tuple[str, ...]
    weights: str | None
    tagger: str | None
    docre: str


@dataclass(frozen=True)
class Extraction:
    """The entities and triples of one text, called `title`.

    pairs_apart: the number of (head, tail) pairs that are not scored, because a long text is read in parts and none of
                 them mentions both.
    provenance:  where it comes from; None if nobody noted it.

    Raises DocreError for an entity without mentions, a span that is not inside the text, and a triple of entities that
    do not exist.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    title: str
    text: str
    entities: tuple[ExtractedEntity, ...] = ()
    triples: tuple[ExtractedTriple, ...] = ()
    pairs_apart: Annotated[int, Field(ge=0)] = 0
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        for e, entity in enumerate(self.entities):
            if not entity.mentions:
                raise DocreError(f"{self.title!r}: entities[{e}]: no mentions")
            for m, span in enumerate(entity.mentions):
                self._check(span, f"entities[{e}].mentions[{m}]")
        for t, triple in enumerate(self.triples):
            where = f"triples[{t}]"
            for side in ("head", "tail"):
                if not 0 <= getattr(triple, side) < len(self.entities):
                    raise DocreError(f"{self.title!r}: {where}.{side}: there are {len(self.entities)} entities")
            for span in (triple.head_mention, triple.tail_mention, *triple.evidence):
                self._check(span, where)

    def _check(self, span: Span, where: str) -> None:
        if not 0 <= span.start < span.end <= len(self.text):
            place = f"[{span.start}, {span.end}) is not inside the text ({len(self.text)} characters)"
            raise DocreError(f"{self.title!r}: {where}: {place}")

    def part(self, span: Span) -> str:
        """The characters of a span."""
        return self.text[span.start : span.end]

    def surer(self, confidence: float) -> "Extraction":
        """A copy with only the triples that have at least this confidence."""
        return replace(self, triples=tuple(t for t in self.triples if (t.confidence or 0) >= confidence))

    def to_json(self) -> dict[str, Any]:
        """A JSON object with everything in it; `pairs_apart` only if there are some, `provenance` only if known."""
        value = asdict(self)
        return {key: value[key] for key in value if value[key] or key not in ("pairs_apart", "provenance")}

    @classmethod
    def from_json(cls, text: str | bytes) -> "Extraction":
        """The extraction in the JSON text of `to_json`, or in a row of a corpus, without the place that this adds (see
        `Row`). Raises DocreError that names the field if it is malformed."""
        try:
            row = ROW.validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "extraction"
            raise DocreError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
        return Extraction(row.title, row.text, row.entities, row.triples, row.pairs_apart, row.provenance)


@dataclass(frozen=True)
class Row(Extraction):
    """An extraction as `docre extract` writes it into a folder: with the file of its text, and the number there."""

    file: str | None = None
    number: int | None = None


ROW = TypeAdapter(Row)


def describe_apart(apart: int, pairs: int) -> str:
    """A line that says how many of the pairs of some texts were not scored (see `Extraction.pairs_apart`)."""
    return (
        f"{apart:,} of {pairs:,} entity pairs are too far apart in a long text to be read together, so no relation was "
        "looked for: raise evaluation.max_tokens (inference.tokens with inference.name=parts) to read longer parts"
    )
