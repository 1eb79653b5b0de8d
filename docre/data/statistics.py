"""Statistics of a corpus: counts, token lengths, and irregularities."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import mean, median
from typing import Any

from docre.data.features import UNLIMITED, Featurizer
from docre.data.schema import LabelSchema
from docre.documents import Document

ENCODER_LIMIT = 512  # maximum number of tokens that most encoders take at once


@dataclass(frozen=True)
class Oddity:
    """A kind of irregularity: how often it occurs, and its first occurrence as an example."""

    kind: str
    count: int
    example: str


@dataclass(frozen=True)
class Lengths:
    """Lengths of documents in an encoder's tokens, entity markers and special tokens included.

    over_512:   number of documents with more than 512 tokens, which most encoders read through several windows.
    limit:      the length limit.
    over_limit: number of documents with more tokens than that, which are cut off.
    """

    mean: float
    median: float
    max: int
    over_512: int
    limit: int
    over_limit: int


@dataclass(frozen=True)
class Statistics:
    """Counts of a corpus.

    labeled:          labeled documents, including those in which no relation holds.
    tokens:           words, as the documents give them; an encoder's tokenizer is not involved.
    pairs:            candidate pairs of all documents.
    labeled_pairs:    candidate pairs of labeled documents.
    positive_pairs:   candidate pairs for which some relation holds.
    triples:          labels, including duplicates.
    distinct_triples: labels without duplicates.
    na_share:         fraction of the labeled pairs for which no relation holds; None if there are no labeled pairs.
    relations:        number of distinct triples of each relation, the most frequent first.
    oddities:         the irregularities found, by kind.
    lengths:          token lengths, if a tokenizer was given.
    """

    documents: int
    labeled: int
    entities: int
    mentions: int
    sentences: int
    tokens: int
    pairs: int
    labeled_pairs: int
    positive_pairs: int
    triples: int
    distinct_triples: int
    na_share: float | None
    relations: dict[str, int]
    oddities: list[Oddity]
    lengths: Lengths | None = None


def statistics(documents: Sequence[Document], tokenizer: Any = None, max_tokens: int = 1024) -> Statistics:
    """The statistics of a corpus. With an encoder's tokenizer they include token lengths, and mentions beyond the limit
    of `max_tokens` count as irregularities."""
    labeled = [document for document in documents if document.triples is not None]
    labeled_pairs = sum(document.num_candidate_pairs for document in labeled)
    relations: Counter[str] = Counter()
    positive_pairs = 0
    for document in labeled:
        triples = {(t.head, t.tail, t.relation) for t in document.triples or ()}
        relations.update(relation for _, _, relation in triples)
        positive_pairs += len(document.among_candidates((head, tail) for head, tail, _ in triples))
    lengths, cut = (None, []) if tokenizer is None else token_lengths(documents, tokenizer, max_tokens)
    return Statistics(
        documents=len(documents),
        labeled=len(labeled),
        entities=sum(len(document.entities) for document in documents),
        mentions=sum(len(entity.mentions) for document in documents for entity in document.entities),
        sentences=sum(len(document.sentences) for document in documents),
        tokens=sum(len(sentence) for document in documents for sentence in document.sentences),
        pairs=sum(document.num_candidate_pairs for document in documents),
        labeled_pairs=labeled_pairs,
        positive_pairs=positive_pairs,
        triples=sum(len(document.triples or ()) for document in labeled),
        distinct_triples=relations.total(),
        na_share=1 - positive_pairs / labeled_pairs if labeled_pairs else None,
        relations=dict(sorted(relations.items(), key=lambda item: (-item[1], item[0]))),
        oddities=count_oddities(
            [
                *empty_corpus(documents),
                *duplicate_titles(documents),
                *(odd for document in documents for odd in document_oddities(document)),
                *cut,
            ]
        ),
        lengths=lengths,
    )


def token_lengths(
    documents: Sequence[Document], tokenizer: Any, limit: int
) -> tuple[Lengths | None, list[tuple[str, str]]]:
    """Token lengths (None without documents), and (kind, place) of each mention beyond the length limit."""
    featurize = Featurizer(tokenizer, LabelSchema(("-",)), max_tokens=UNLIMITED)
    lengths, cut = [], []
    for document in documents:
        (features,) = featurize([replace(document, triples=None, pairs=())])  # pairs are not needed, and may be many
        lengths.append(len(features.input_ids))
        for token in features.mentions[:, 0][features.mentions[:, 0] >= limit - 1].tolist():
            place = f"document {document.title!r}: a mention at token {token}"
            cut.append((f"mention beyond {limit} tokens", place))
    if not lengths:
        return None, []
    over = [sum(length > bound for length in lengths) for bound in (ENCODER_LIMIT, limit)]
    return Lengths(mean(lengths), median(lengths), max(lengths), over[0], limit, over[1]), cut


def empty_corpus(documents: Sequence[Document]) -> Iterator[tuple[str, str]]:
    """(kind, place) if there are no documents."""
    if not documents:
        yield "file without documents", "this file"


def duplicate_titles(documents: Sequence[Document]) -> Iterator[tuple[str, str]]:
    """(kind, title) of each document whose title occurred before: predictions refer to documents by title."""
    seen: set[str] = set()
    for document in documents:
        if document.title in seen:
            yield "duplicate title", repr(document.title)
        seen.add(document.title)


def document_oddities(document: Document) -> Iterator[tuple[str, str]]:
    """(kind, place) of each irregularity in a document."""
    where = f"document {document.title!r}"
    if not any(document.sentences):
        yield "document without text", where
    if not document.title.strip():
        yield "blank title", where
    if not document.entities:
        yield "document without entities", where
    if document.triples is not None and not document.triples:
        yield "labeled document without triples", where
    for s, sentence in enumerate(document.sentences):
        if not sentence:
            yield "empty sentence", f"{where}: sentence {s}"
        for t, token in enumerate(sentence):
            if not token.strip():
                yield "blank token", f"{where}: sentence {s}, token {t} ({token!r})"
    for e, entity in enumerate(document.entities):
        if not entity.mentions:
            yield "entity without mentions", f"{where}: entity {e}"
        spans: set[tuple[int, int, int]] = set()
        for i, m in enumerate(entity.mentions):
            if (span := (m.sentence, m.start, m.end)) in spans:
                yield "mention listed twice", f"{where}: entity {e}, mention {i}"
            spans.add(span)
    candidates = document.among_candidates((triple.head, triple.tail) for triple in document.triples or ())
    seen: set[tuple[int, int, str]] = set()
    for i, triple in enumerate(document.triples or ()):
        place = f"{where}: label {i} ({triple.head}, {triple.tail}, {triple.relation})"
        key = (triple.head, triple.tail, triple.relation)
        if key in seen:
            yield "duplicate label", place
        seen.add(key)
        if not triple.relation.strip():
            yield "label with a blank relation", place
        if triple.head == triple.tail:
            yield "label with head == tail", place
        elif (triple.head, triple.tail) not in candidates:
            yield "label of no candidate pair", place
        if not triple.evidence:
            yield "label without evidence", place


def count_oddities(found: Sequence[tuple[str, str]]) -> list[Oddity]:
    """One Oddity for each kind among (kind, place) pairs, in alphabetical order."""
    examples = dict(reversed(found))  # the first place of each kind
    counts = Counter(kind for kind, _ in found)
    return [Oddity(kind, counts[kind], examples[kind]) for kind in sorted(counts)]
