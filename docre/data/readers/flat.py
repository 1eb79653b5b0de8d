"""Documents that come as one run of tokens: cut into sentences, with mentions placed in them."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError


class FlatMention(NamedTuple):
    """A mention that is the tokens [start, end), counted from the start of the document."""

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
    """A document of these tokens.

    breaks: the tokens before which a sentence ends, between 0 and len(tokens). A break inside a mention is left out:
            the sentences on both sides become one, so that every mention lies in one sentence and nothing is lost.
    Raises DocreError where a mention is not inside the document.
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
