"""Builds a Document from one sequence of tokens, with sentence boundaries and mentions given as offsets into it."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from docre.documents.document import Document, Entity, Mention, Triple
from docre.errors import DocreError


class FlatMention(NamedTuple):
    """A mention of the tokens [start, end), counted from the start of the document."""

    name: str
    start: int
    end: int
    type: str = ""


def build_document(
    title: str,
    tokens: Sequence[str],
    breaks: Iterable[int],
    entities: Sequence[Sequence[FlatMention]],
    triples: Sequence[Triple] | None = None,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> Document:
    """Split `tokens` into sentences, and build the document with each mention placed in its sentence.

    breaks:   positions of tokens that begin a sentence (0 and len(tokens) are allowed). A break inside a mention is
              ignored, which joins the sentences on its two sides: every mention then lies in one sentence.
    entities: the mentions of each entity.
    triples, pairs: as in Document.

    Raises DocreError if a mention is not inside the document.
    """
    inside: set[int] = set()
    for e, mentions in enumerate(entities):
        for m, mention in enumerate(mentions):
            if not 0 <= mention.start < mention.end <= len(tokens):
                raise DocreError(
                    f"document {title!r}: entity {e}, mention {m}: tokens [{mention.start}, {mention.end}) are not "
                    f"inside the document ({len(tokens)} tokens)"
                )
            inside.update(range(mention.start + 1, mention.end))
    starts = sorted({0, *breaks} - inside - {len(tokens)}) or [0]
    sentences = [list(tokens[start:end]) for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)]

    def place(mention: FlatMention) -> Mention:
        sentence = bisect_right(starts, mention.start) - 1
        first = starts[sentence]
        return Mention(mention.name, sentence, mention.start - first, mention.end - first, mention.type)

    placed = [Entity(tuple(place(mention) for mention in mentions)) for mentions in entities]
    return Document(title, sentences if tokens else [], placed, triples, pairs)
