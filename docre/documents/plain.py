"""Builds a Document from plain text and the characters of its mentions."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import index
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from docre.documents.document import Document
from docre.documents.flat import FlatMention, build_document
from docre.documents.source import Source
from docre.errors import DocreError
from docre.segmentation import sentence_starts, tokenize

MAX_COVER = 100  # times the length of a text that all its mentions together may have


class MarkedEntity(NamedTuple):
    """An entity of a text: the characters [start, end) of its mentions, and the scores and the name of a Source."""

    type: str
    spans: Sequence[tuple[int, int]]
    score: float | None = None
    scores: Sequence[float | None] | None = None
    name: str | None = None


def mark(title: str, text: str, entities: Sequence[MarkedEntity]) -> Document:
    """The document of a text in which entities are marked, unlabeled, with its Source.

    The text is split into tokens and sentences (see docre.segmentation). Mention boundaries are always token
    boundaries, and no sentence ends inside a mention. White space around a mention does not belong to it. Raises
    DocreError for a mention that is not inside the text, or is blank, and for far more mentions than the text is long.
    """
    for e, entity in enumerate(entities):
        for m, (start, end) in enumerate(entity.spans):
            check_span(start, end, text, f"entities[{e}].mentions[{m}]")
        check_scores(entity, f"entities[{e}]")
    marked = sum(end - start for entity in entities for start, end in entity.spans)
    if marked > MAX_COVER * (len(text) + 1000):
        raise DocreError(f"document {title!r}: its mentions have {marked:,} characters, {MAX_COVER} times the text's")
    spans = tokenize(text, (position for entity in entities for span in entity.spans for position in span))
    starts, ends = array("q", [start for start, _ in spans]), array("q", [end for _, end in spans])
    flat = [
        [
            FlatMention(" ".join(text[start:end].split()), bisect_left(starts, start), bisect_left(starts, end), type_)
            for start, end in of_entity
        ]
        for type_, of_entity, *_ in entities
    ]
    breaks = (bisect_left(starts, position) for position in sentence_starts(text))
    document = build_document(title, [text[start:end] for start, end in spans], breaks, flat)
    first_tokens = array("q", accumulate((len(sentence) for sentence in document.sentences), initial=0))
    scores = tuple(tuple(entity.scores or [None] * len(entity.spans)) for entity in entities)
    source = Source(
        text,
        starts,
        ends,
        first_tokens,
        tuple(entity.score for entity in entities),
        scores,
        entity_names=tuple(entity.name for entity in entities),
    )
    return replace(document, source=source)


def check_scores(entity: MarkedEntity, where: str) -> None:
    """Raises DocreError, beginning with `where`, if a score is not between 0 and 1, or not each mention has one."""
    if entity.scores is not None and len(entity.scores) != len(entity.spans):
        raise DocreError(f"{where}: {len(entity.scores)} scores for {len(entity.spans)} mentions")
    for score in (entity.score, *(entity.scores or ())):
        if score is not None and not 0 <= score <= 1:
            raise DocreError(f"{where}: expected a score from 0 to 1, got {score!r}")


def check_span(start: int, end: int, text: str, where: str) -> None:
    """Raises DocreError, beginning with `where`, if the characters [start, end) are not inside the text, or blank."""
    if not isinstance(start, int) or not isinstance(end, int):
        raise DocreError(f"{where}: expected whole numbers of characters, got [{start!r}, {end!r})")
    if not 0 <= start < end <= len(text):
        raise DocreError(f"{where}: characters [{start}, {end}) are not inside the text ({len(text)} characters)")
    if text[start:end].isspace():
        raise DocreError(f"{where}: characters [{start}, {end}) are only white space")


def whole_number(value: Any) -> int:
    """The value as an int, if it is an integer of Python or numpy."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError("expected an integer")
    return index(value)


Offset = Annotated[int, BeforeValidator(whole_number)]


class GivenEntity(BaseModel):
    """An entity as the user gives it to `Document.from_text`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    mentions: list[tuple[Offset, Offset]]
    type: str = ""
    score: float | None = Field(None, ge=0, le=1)


GIVEN = TypeAdapter(list[GivenEntity])


def from_text(text: str, entities: Sequence[Mapping[str, Any]], title: str) -> Document:
    """See `Document.from_text`."""
    for name, value in (("text", text), ("title", title)):
        if not isinstance(value, str):
            raise DocreError(f"{name}: expected a string, got {type(value).__name__}")
    try:
        given = GIVEN.validate_python(entities)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DocreError(f"entities{''.join(f'[{part!r}]' for part in first['loc'])}: {first['msg']}") from None
    return mark(title, text, [MarkedEntity(entity.type, entity.mentions, entity.score) for entity in given])
