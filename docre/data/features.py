"""Converts documents to features: token ids with entity markers, mention positions, candidate pairs and labels."""

import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docre.data.markers import MarkerKind, Markers
from docre.data.schema import LabelSchema
from docre.documents import Document, Mention
from docre.errors import DocreError

MARKER = "*"
TOKENIZER_LOCK = threading.Lock()  # Hugging Face's tokenizers are not thread-safe
UNLIMITED = sys.maxsize  # max_tokens with which no document is cut off
MOST_PAIRS = 2**24  # of one document: finding them takes about 65 bytes for each, 1 GB
CACHED_WORDS = 2**18  # whose pieces a Featurizer keeps: about 50 MB
Ints = NDArray[np.int64]
Pieces = dict[str, list[int]]  # the token ids of words


@dataclass(frozen=True)
class Features:
    """The features of one document.

    title:          the document's title.
    input_ids:      [length] token ids, [CLS] and [SEP] included.
    mentions:       [mentions, 2] the span [start, end) of each mention in `input_ids`, markers included: `start` is the
                    position of the start marker. Mentions beyond the length limit are left out.
    mention_entity: [mentions] the entity of each mention.
    num_entities:   number of entities, including those without a remaining mention.
    pairs:          [pairs, 2] the candidate (head, tail) pairs.
    contexts:       [contexts, 2] the unordered entity pairs among them, smaller index first.
    pair_context:   [pairs] the context of each pair, as a position in `contexts`.
    labels:         [positives, 2] (pair, relation) of each label, without duplicates and without relations that are not
                    in the schema; None for an unlabeled document.
    token_sentence: [length] the sentence of each token, -1 for [CLS] and [SEP]; markers belong to their sentence.
    num_sentences:  number of sentences, including those beyond the length limit.
    evidence:       [entries, 2] (pair, sentence) for each evidence sentence of each label. A sentence that two labels
                    of a pair list is there twice.
    targets:        what a teacher left for this document, by name: rows are pairs, those of "attention" contexts.
    cut_mentions:   number of mentions beyond the length limit.
    cut_entities:   number of entities of which all mentions are beyond it.
    whole_length:   number of tokens without the limit.
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
    token_sentence: Ints
    num_sentences: int
    evidence: Ints
    targets: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    cut_mentions: int = 0
    cut_entities: int = 0
    whole_length: int = 0

    @property
    def num_labeled(self) -> int:
        """Number of pairs with at least one label."""
        return 0 if self.labels is None else len(np.unique(self.labels[:, 0]))

    @property
    def num_with_evidence(self) -> int:
        """Number of pairs with at least one evidence sentence."""
        return len(np.unique(self.evidence[:, 0]))


class Featurizer:
    """Converts documents to Features. It caches the word pieces of the words that it has seen.

    Every word is tokenized by itself, and each mention is enclosed in markers, `*` as by Zhou et al. (2021). A word is
    always plain text: "[SEP]" becomes the pieces of its characters, or the unknown token, but never the special token.

    tokenizer:  a Hugging Face tokenizer. Raises DocreError if it has no [CLS] or no [SEP] token.
    schema:     the relations, in the order of the label columns.
    max_tokens: maximum number of tokens of a document, [CLS] and [SEP] included; the rest is cut off.
    markers:    the kind of markers (see docre.data.markers). Of mentions that begin, or end, at the same word the last
                has its marker there.
    """

    def __init__(
        self, tokenizer: Any, schema: LabelSchema, max_tokens: int = 1024, markers: MarkerKind = "plain"
    ) -> None:
        if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
            raise DocreError("the encoder's tokenizer has no [CLS] or no [SEP] token, and docre needs both")
        self.tokenizer = tokenizer
        self.schema = schema
        self.max_tokens = max_tokens
        self._pieces: Pieces = {}
        self._special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        self._markers = Markers(markers, self._tokenize([MARKER])[MARKER][:1], tokenizer)

    def __call__(self, documents: Sequence[Document], max_tokens: int | None = None) -> list[Features]:
        """The features of each document, in order. Threads may call this concurrently. `max_tokens` overrides the
        Featurizer's own limit."""
        pieces = self._tokenize(word for document in documents for sentence in document.sentences for word in sentence)
        return [self._featurize(document, max_tokens or self.max_tokens, pieces) for document in documents]

    def _tokenize(self, words: Iterable[str]) -> Pieces:
        """The pieces of all these words, and of others: the cache, to which new words are added. A cache that has grown
        too large makes place for a new one, while other threads go on with theirs."""
        pieces = self._pieces
        if len(pieces) > CACHED_WORDS:
            pieces = self._pieces = {}
        new = [word for word in dict.fromkeys(words) if word not in pieces]
        if new:
            split = self.tokenizer.is_fast  # a slow (Python) tokenizer would split every added token, special or not
            options = dict(add_special_tokens=False, split_special_tokens=split, truncation=False, verbose=False)
            with TOKENIZER_LOCK:
                encoded = self.tokenizer(new, **options)["input_ids"]
            pieces.update(zip(new, map(self._replace_special, encoded), strict=True))
        return pieces

    def _replace_special(self, pieces: list[int]) -> list[int]:
        """The pieces of a word, with special tokens replaced by the unknown token (removed if there is none).

        Slow (Python) tokenizers, and those whose vocabulary lists the special tokens as text (Unigram), read "[SEP]" in
        a word as the special token.
        """
        if self._special.isdisjoint(pieces):
            return pieces
        unknown = self.tokenizer.unk_token_id
        text = [unknown if piece in self._special else piece for piece in pieces]
        return [piece for piece in text if piece is not None]

    def word_positions(self, document: Document) -> list[int]:
        """The position in `input_ids` at which each word begins, start markers included, and at last the position after
        the last word; [words + 1], without the length limit."""
        return self._encode(document, self._tokenize(word for sentence in document.sentences for word in sentence))[1]

    def _encode(
        self, document: Document, pieces: Pieces
    ) -> tuple[list[int], list[int], list[int], list[tuple[int, Mention, int]]]:
        """The token ids without the final [SEP], `word_positions`, the index of the first word of each sentence (and
        at last the number of words), and for each mention: (first word of its sentence, mention, entity)."""
        words: list[str] = []
        first_word = [0]
        for sentence in document.sentences:
            words.extend(sentence)
            first_word.append(len(words))
        mentions = [
            (first_word[m.sentence], m, e) for e, entity in enumerate(document.entities) for m in entity.mentions
        ]
        around = [(offset, mention, *self._markers.around(mention.type)) for offset, mention, _ in mentions]
        starts = {offset + mention.start: before for offset, mention, before, _ in around}
        ends = {offset + mention.end - 1: after for offset, mention, _, after in around}
        ids, position = [self.tokenizer.cls_token_id], []
        for i, word in enumerate(words):
            position.append(len(ids))
            if i in starts:
                ids.extend(starts[i])
            ids.extend(pieces[word])
            if i in ends:
                ids.extend(ends[i])
        position.append(len(ids))
        return ids, position, first_word, mentions

    def _featurize(self, document: Document, max_tokens: int, pieces: Pieces) -> Features:
        ids, position, first_word, mentions = self._encode(document, pieces)
        spans = [(position[offset + m.start], position[offset + m.end], e) for offset, m, e in mentions]
        limit = max_tokens - 1
        kept = [span for span in spans if span[0] < limit]
        table = np.array(kept, dtype=np.int64).reshape(-1, 3)
        pairs = candidate_pairs(document)
        contexts, pair_context = unordered_pairs(pairs)
        labels, evidence = self._labels(document, pairs)
        sentence = np.full(min(len(ids), limit) + 1, -1, dtype=np.int64)
        of_word_piece = np.repeat(np.arange(len(document.sentences)), np.diff(np.array(position)[first_word]))
        sentence[1:-1] = of_word_piece[: len(sentence) - 2]
        return Features(
            title=document.title,
            input_ids=np.array([*ids[:limit], self.tokenizer.sep_token_id], dtype=np.int64),
            mentions=table[:, :2],
            mention_entity=table[:, 2],
            num_entities=len(document.entities),
            pairs=pairs,
            contexts=contexts,
            pair_context=pair_context,
            labels=labels,
            token_sentence=sentence,
            num_sentences=len(document.sentences),
            evidence=evidence,
            cut_mentions=len(spans) - len(kept),
            cut_entities=len({e for _, _, e in spans}) - len({e for _, _, e in kept}),
            whole_length=len(ids) + 1,
        )

    def _labels(self, document: Document, pairs: Ints) -> tuple[Ints | None, Ints]:
        """`Features.labels` and `Features.evidence`, without labels of pairs that are not candidates (head == tail is
        one) and of relations that are not in the schema."""
        if document.triples is None:
            return None, np.empty((0, 2), dtype=np.int64)
        index = self.schema.index
        known = [t for t in document.triples if t.relation in index]
        triples = np.array([(t.head, t.tail, index[t.relation]) for t in known], dtype=np.int64).reshape(-1, 3)
        pair = find_pairs(triples, pairs, len(document.entities))
        labels = np.stack([pair, triples[:, 2]], axis=1)[pair >= 0]
        sentences = [sentence for t, p in zip(known, pair, strict=True) if p >= 0 for sentence in t.evidence]
        counts = [len(t.evidence) if p >= 0 else 0 for t, p in zip(known, pair, strict=True)]
        evidence = np.stack([np.repeat(pair, counts), np.array(sentences, dtype=np.int64)], axis=1)
        return np.unique(labels, axis=0), evidence


def check_pairs(document: Document) -> None:
    """Raises DocreError for a document with so many candidate pairs that they would fill the memory."""
    if (count := document.num_candidate_pairs) > MOST_PAIRS:
        raise document.fail(
            f"{len(document.entities):,} entities with {count:,} candidate pairs, of which one document may have "
            f"{MOST_PAIRS:,}: divide it"
        )


def candidate_pairs(document: Document) -> Ints:
    """`Document.candidate_pairs` as an array [pairs, 2]. If these are all pairs, no Python list of them is built: it
    would take gigabytes for a few thousand entities. Raises DocreError for too many (see `check_pairs`)."""
    check_pairs(document)
    if document.pairs is None:
        return np.argwhere(~np.eye(len(document.entities), dtype=bool))
    return np.array(document.candidate_pairs, dtype=np.int64).reshape(-1, 2)


def unordered_pairs(pairs: Ints) -> tuple[Ints, Ints]:
    """The distinct unordered pairs among (head, tail) `pairs` [pairs, 2]: [contexts, 2], smaller index first, and for
    each pair its position among them, [pairs]."""
    entities = int(pairs.max(initial=0)) + 1
    codes, pair_context = np.unique(pair_codes(np.sort(pairs, axis=1), entities), return_inverse=True)
    return np.stack(np.divmod(codes, entities), axis=1), pair_context.reshape(-1)


def find_pairs(wanted: Ints, pairs: Ints, entities: int) -> Ints:
    """The position in `pairs` [pairs, 2] of each (head, tail) in the columns 0 and 1 of `wanted`, -1 where it is not
    among them; [wanted]."""
    codes, order = np.unique(pair_codes(pairs, entities), return_index=True)
    code = pair_codes(wanted, entities)
    position = np.minimum(np.searchsorted(codes, code), max(0, len(codes) - 1))
    if not len(codes):
        return np.full(len(code), -1, dtype=np.int64)
    return np.where(codes[position] == code, order[position], -1)


def pair_codes(pairs: Ints, entities: int) -> Ints:
    """A unique number for each (head, tail) pair: columns 0 and 1 of `pairs`, both below `entities`; [pairs]."""
    return pairs[:, 0] * entities + pairs[:, 1]
