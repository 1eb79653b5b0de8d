"""What is odd about the data of a run: nothing that stops it, all that would make its numbers mean something else.

Each function gives the lines to warn with, none where all is well.
"""

from collections.abc import Iterable, Sequence

from docre.data.features import Features
from docre.documents import Document

MOST_CUT = 0.01  # of the mentions
SHOWN = 5  # names in a line


def no_positives(train: Iterable[Document]) -> list[str]:
    """A training set in which no relation holds between any candidate pair."""
    for document in train:
        candidates = set(document.candidate_pairs)
        if any((triple.head, triple.tail) in candidates for triple in document.triples or ()):
            return []
    return ["no pair of the training documents has a relation: there is nothing to learn"]


def unlabelled(split: str, documents: Sequence[Document]) -> list[str]:
    """Documents to evaluate on without any label."""
    if not documents or any(document.triples is not None for document in documents):
        return []
    return [f"the {split} documents have no labels: they are predicted, not scored"]


def unseen_relations(split: str, documents: Iterable[Document], train: Iterable[Document]) -> list[str]:
    """Relations that the training set never has."""
    missing = relations(documents) - relations(train)
    if not missing:
        return []
    return [f"{len(missing)} relations of the {split} documents never occur in training: {some(sorted(missing))}"]


def leaked(split: str, documents: Iterable[Document], train: Iterable[Document]) -> list[str]:
    """Documents that are in the training set too: the same title and the same text."""
    known = {text(document) for document in train}
    found = [document.title for document in documents if text(document) in known]
    if not found:
        return []
    return [f"{len(found)} {split} documents are in the training set too, word for word: {some(found)}"]


def cut_off(split: str, features: Iterable[Features], max_tokens: int) -> list[str]:
    """More than 1% of the mentions beyond the length limit."""
    cut = whole = 0
    for document in features:
        cut += document.cut_mentions
        whole += document.cut_mentions + len(document.mentions)
    if cut <= MOST_CUT * whole:
        return []
    share = f"{cut} of {whole} mentions ({100 * cut / whole:.1f}%)"
    return [f"data.max_tokens={max_tokens} cuts off {share} of the {split} documents"]


def relations(documents: Iterable[Document]) -> set[str]:
    """All relations that label something."""
    return {triple.relation for document in documents for triple in document.triples or ()}


def text(document: Document) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """What makes two documents the same."""
    return document.title, tuple(tuple(sentence) for sentence in document.sentences)


def some(names: Sequence[str]) -> str:
    """The first few."""
    return ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
