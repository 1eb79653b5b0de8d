"""What the entity model reads of a document: its tokens, without markers, and which of them are which word."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate, chain
from typing import Any

import numpy as np

from docre.data.features import Features, Featurizer, Ints
from docre.data.schema import LabelSchema
from docre.documents import Document
from docre.entities.shapes import kind
from docre.errors import DocreError


@dataclass(frozen=True, kw_only=True)
class EntityFeatures(Features):
    """Features without markers, mentions and pairs, and:

    words: [words, 3] of each word its first and its last token, and the word before which its sentence ends.
    texts: the words.
    kinds: of each word, see docre.entities.shapes.
    spans: [mentions, 4] of each gold mention its first word, its number of words, its type (from 1) and its entity.
           Mentions that are too long to be found, or beyond the length limit, are left out.
    """

    words: Ints
    texts: Sequence[str]
    kinds: Ints
    spans: Ints


class EntityFeaturizer:
    """Converts documents to EntityFeatures.

    tokenizer:  a Hugging Face tokenizer.
    types:      the types of entities; others cannot be found.
    max_words:  of a mention.
    max_tokens: maximum number of tokens of a document; the rest is cut off.
    """

    def __init__(self, tokenizer: Any, types: Sequence[str], max_words: int, max_tokens: int) -> None:
        self.featurize = Featurizer(tokenizer, LabelSchema(("-",)), max_tokens)
        self.type_number = {type_: i for i, type_ in enumerate(types, 1)}
        self.max_words = max_words
        self.max_tokens = max_tokens

    def __call__(self, documents: Sequence[Document], max_tokens: int | None = None) -> list[EntityFeatures]:
        """The features of each document, in order. `max_tokens` overrides the limit."""
        plain = [replace(document, entities=(), triples=None, pairs=None) for document in documents]
        found = []
        for document, bare, features in zip(documents, plain, self.featurize(plain, max_tokens), strict=True):
            position = np.array(self.featurize.word_positions(bare), dtype=np.int64)
            limit = len(features.input_ids) - 1
            words = int(np.searchsorted(position, limit, side="right")) - 1  # those that are there to their end
            firsts = position[:words]
            lasts = np.maximum(position[1 : words + 1] - 1, firsts)  # a word may have no token
            ends = list(accumulate(map(len, document.sentences)))
            sentence_end = np.repeat(np.array(ends, dtype=np.int64), [len(s) for s in document.sentences])[:words]
            table = np.stack([firsts, np.minimum(lasts, limit - 1), np.minimum(sentence_end, words)], axis=1)
            own = {f.name: getattr(features, f.name) for f in fields(features)}
            texts = list(chain.from_iterable(document.sentences))[:words]
            kinds = np.array(list(map(kind, texts)), dtype=np.int64)
            spans = self.spans(document, words)
            found.append(EntityFeatures(**own, words=table, texts=texts, kinds=kinds, spans=spans))
        return found

    def spans(self, document: Document, words: int) -> Ints:
        """`EntityFeatures.spans`, of which each span is one entity's."""
        first = [0, *accumulate(map(len, document.sentences))]
        spans: dict[tuple[int, int], tuple[int, int]] = {}
        for e, entity in enumerate(document.entities):
            for mention in entity.mentions:
                start, length = first[mention.sentence] + mention.start, mention.end - mention.start
                if length <= self.max_words and start + length <= words and mention.type in self.type_number:
                    spans.setdefault((start, length), (self.type_number[mention.type], e))
        return np.array([(*span, *value) for span, value in spans.items()], dtype=np.int64).reshape(-1, 4)


def entity_types(documents: Sequence[Document], path: str) -> tuple[str, ...]:
    """The types of entities in documents, in alphabetical order. Raises DocreError, beginning with `path`, if there are
    no entities."""
    types = {mention.type for document in documents for entity in document.entities for mention in entity.mentions}
    if not types:
        raise DocreError(f"{path}: no entities in it, but an entity model learns from them")
    return tuple(sorted(types))
