"""Documents to token ids: entity markers, word pieces, mention positions, candidate pairs."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docre.data.schema import LabelSchema
from docre.documents import Document, Mention
from docre.errors import DocreError

MARKER = "*"
TOKENIZING = threading.Lock()  # Hugging Face's tokenizers cannot be called by two threads at once
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Features:
    """A document as the model reads it.

    title:          the document's.
    input_ids:      [length] token ids, [CLS] and [SEP] included.
    mentions:       [mentions, 2] the span [start, end) of each mention in `input_ids`, markers included, so that
                    `start` is its start marker. Mentions that the length limit cut off are not here.
    mention_entity: [mentions] the entity of each mention.
    num_entities:   entities of the document, those without a mention left included.
    pairs:          [pairs, 2] the (head, tail) candidates.
    contexts:       [contexts, 2] the unordered entity pairs among them, smaller index first, and
    pair_context:   [pairs] the context of each pair.
    labels:         [positives, 2] (pair, relation) of each label, without duplicates, where the relation is in the
                    schema; None for unlabeled documents.
    cut_mentions:   how many mentions the length limit cut off,
    cut_entities:   how many entities lost all of their mentions so, and
    whole_length:   how many tokens the document has without the limit. All three matter where something is cut off.
    """

    title: str
    input_ids: Ints
    mentions: Ints
    mention_entity: Ints
    num_entities: int
    pairs: Ints
    contexts: Ints
    pair_context: Ints
    labels: Ints | None
    cut_mentions: int = 0
    cut_entities: int = 0
    whole_length: int = 0


class Featurizer:
    """Turns documents into Features with one tokenizer, remembering the pieces of every word it has seen.

    Every word is tokenized alone, and a `*` goes before and after every mention, as Zhou et al. (2021) do. A word is
    text whatever it says: "[SEP]" gives the pieces of its characters, or the unknown token, never the special one.

    tokenizer:  a Hugging Face tokenizer.
    schema:     the relations, in the order of the label columns.
    max_tokens: tokens of a document at most, [CLS] and [SEP] included; the rest is cut off.
    """

    def __init__(self, tokenizer: Any, schema: LabelSchema, max_tokens: int = 1024) -> None:
        if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
            raise DocreError("the encoder's tokenizer has no [CLS] or no [SEP] token, which docre needs")
        self.tokenizer = tokenizer
        self.schema = schema
        self.max_tokens = max_tokens
        self._pieces: dict[str, list[int]] = {}
        self._special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        self._learn([MARKER])
        self._marker = self._pieces[MARKER][:1]

    def __call__(self, documents: Sequence[Document], max_tokens: int | None = None) -> list[Features]:
        """The features of each document, in order. Any number of threads may ask at once. max_tokens: in place of the
        Featurizer's own."""
        self._learn(word for document in documents for sentence in document.sentences for word in sentence)
        return [self._featurize(document, max_tokens or self.max_tokens) for document in documents]

    def _learn(self, words: Iterable[str]) -> None:
        new = [word for word in dict.fromkeys(words) if word not in self._pieces]
        if new:
            plain = self.tokenizer.is_fast  # one in Python would split every token that was added to it, not only these
            options = dict(add_special_tokens=False, split_special_tokens=plain, truncation=False, verbose=False)
            with TOKENIZING:
                encoded = self.tokenizer(new, **options)["input_ids"]
            self._pieces.update(zip(new, map(self._as_text, encoded), strict=True))

    def _as_text(self, pieces: list[int]) -> list[int]:
        """The pieces of a word. A tokenizer in Python, or one with a vocabulary of whole texts (Unigram's), reads the
        text of a special token as that token alone: such text is unknown."""
        if self._special.isdisjoint(pieces):
            return pieces
        unknown = self.tokenizer.unk_token_id
        text = [unknown if piece in self._special else piece for piece in pieces]
        return [piece for piece in text if piece is not None]

    def word_positions(self, document: Document) -> list[int]:
        """Where each word of the document begins in its `input_ids` (its start markers included), as if there were no
        length limit; the last number is where the last word ends."""
        self._learn(word for sentence in document.sentences for word in sentence)
        return self._tokens(document)[1]

    def _tokens(self, document: Document) -> tuple[list[int], list[int], list[tuple[int, Mention, int]]]:
        """The token ids without the last [SEP], `word_positions`, and the mentions: (the word that their sentence
        begins with, mention, entity)."""
        words: list[str] = []
        first_word = [0]
        for sentence in document.sentences:
            words.extend(sentence)
            first_word.append(len(words))
        mentions = [
            (first_word[m.sentence], m, e) for e, entity in enumerate(document.entities) for m in entity.mentions
        ]
        starts = {offset + mention.start for offset, mention, _ in mentions}
        ends = {offset + mention.end - 1 for offset, mention, _ in mentions}
        ids, position = [self.tokenizer.cls_token_id], []
        for i, word in enumerate(words):
            position.append(len(ids))
            if i in starts:
                ids.extend(self._marker)
            ids.extend(self._pieces[word])
            if i in ends:
                ids.extend(self._marker)
        position.append(len(ids))
        return ids, position, mentions

    def _featurize(self, document: Document, max_tokens: int) -> Features:
        ids, position, mentions = self._tokens(document)
        spans = [(position[offset + m.start], position[offset + m.end], e) for offset, m, e in mentions]
        limit = max_tokens - 1
        kept = [span for span in spans if span[0] < limit]
        table = np.array(kept, dtype=np.int64).reshape(-1, 3)
        pairs = candidate_pairs(document)
        contexts, pair_context = unordered_pairs(pairs)
        return Features(
            title=document.title,
            input_ids=np.array([*ids[:limit], self.tokenizer.sep_token_id], dtype=np.int64),
            mentions=table[:, :2],
            mention_entity=table[:, 2],
            num_entities=len(document.entities),
            pairs=pairs,
            contexts=contexts,
            pair_context=pair_context,
            labels=self._labels(document, pairs),
            cut_mentions=len(spans) - len(kept),
            cut_entities=len({e for _, _, e in spans}) - len({e for _, _, e in kept}),
            whole_length=len(ids) + 1,
        )

    def _labels(self, document: Document, pairs: Ints) -> Ints | None:
        """(pair, relation) of each label; labels of no candidate pair (head == tail, say) and those of a relation that
        is not in the schema are left out."""
        if document.triples is None:
            return None
        index = self.schema.index
        known = [(t.head, t.tail, index[t.relation]) for t in document.triples if t.relation in index]
        labels = np.array(known, dtype=np.int64).reshape(-1, 3)
        entities = len(document.entities)
        codes, order = np.unique(pair_codes(pairs, entities), return_index=True)
        wanted = pair_codes(labels, entities)
        place = np.searchsorted(codes, wanted)
        found = place < len(codes)
        found[found] = codes[place[found]] == wanted[found]
        return np.unique(np.stack([order[place[found]], labels[found, 2]], axis=1), axis=0)


def candidate_pairs(document: Document) -> Ints:
    """`Document.candidate_pairs` as an array [pairs, 2]; of all pairs no list is made, which would take gigabytes for
    a few thousand entities."""
    if document.pairs is None:
        return np.argwhere(~np.eye(len(document.entities), dtype=bool))
    return np.array(document.candidate_pairs, dtype=np.int64).reshape(-1, 2)


def unordered_pairs(pairs: Ints) -> tuple[Ints, Ints]:
    """The unordered entity pairs among (head, tail) `pairs` [pairs, 2], smaller index first, and which one each is."""
    entities = int(pairs.max(initial=0)) + 1
    codes, pair_context = np.unique(pair_codes(np.sort(pairs, axis=1), entities), return_inverse=True)
    return np.stack(np.divmod(codes, entities), axis=1), pair_context.reshape(-1)


def pair_codes(pairs: Ints, entities: int) -> Ints:
    """One number for each of the (head, tail) pairs [pairs, 2 or more] of so many entities."""
    return pairs[:, 0] * entities + pairs[:, 1]
