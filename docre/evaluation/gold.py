"""An index of the gold data, built once, with which each submission is matched in one pass."""

from collections.abc import Sequence

import numpy as np

from docre.core.words import counted
from docre.documents import Document, check_titles
from docre.errors import DocreError
from docre.evaluation.facts import TrainFacts

UNLABELED = -1  # the row of a document that has no labels
INTER, INTRA = 0, 1  # inter- or intra-sentence: whether head and tail are mentioned in one sentence


class GoldIndex:
    """The T distinct gold triples of the D labeled documents, which are numbered as rows 0 … D-1.

    rows:           row by title; UNLABELED for a document without labels.
    size:           D.
    sentences:      [D] for each entity of the document, the set of sentences that mention it.
    lengths:        [D] the number of sentences of the document.
    triples:        number (0 … T-1) by (row, head, tail, relation).
    evidence:       [T] the evidence sentences of each triple. Of a label that is given twice the last one counts, as in
                    the official scorer.
    evidence_total: [D] the number of evidence sentences of all labels, duplicate labels included, as in the official
                    scorer.
    row, intra, in_train: [T] arrays: the triple's row; whether it is intra-sentence; whether it is a training fact.
    notes:          what is odd about the data, as sentences.

    Raises DocreError, beginning with `source`, where no meaningful score exists: there are no documents, no labels or
    no triples, or two documents share a title (predictions refer to documents by title).
    """

    def __init__(self, documents: Sequence[Document], train: TrainFacts | None, source: str) -> None:
        self.rows: dict[str, int] = {}
        labeled: list[Document] = []
        check_titles(documents, source)
        for document in documents:
            self.rows[document.title] = UNLABELED if document.triples is None else len(labeled)
            if document.triples is not None:
                labeled.append(document)
        if not documents:
            raise DocreError(f"{source}: no documents, so there is nothing to score against")
        if not labeled:
            raise DocreError(f"{source}: none of {len(documents)} documents has labels, so there is no score")

        self.size = len(labeled)
        self.lengths = [len(document.sentences) for document in labeled]
        self.sentences = [
            [frozenset(mention.sentence for mention in entity.mentions) for entity in document.entities]
            for document in labeled
        ]
        self.triples: dict[tuple[int, int, int, str], int] = {}
        evidence: dict[int, frozenset[int]] = {}
        self.evidence_total = np.zeros(self.size)
        labels = loops = 0
        for row, document in enumerate(labeled):
            for triple in document.triples or ():
                labels += 1
                loops += triple.head == triple.tail
                number = self.triples.setdefault((row, triple.head, triple.tail, triple.relation), len(self.triples))
                evidence[number] = frozenset(triple.evidence)
                self.evidence_total[row] += len(triple.evidence)
        if not labels:
            raise DocreError(f"{source}: no relation is labeled in any document, so recall and F1 are undefined")

        self.evidence = list(evidence.values())
        self.row = np.array([row for row, _, _, _ in self.triples])
        self.intra = np.array([self.share_sentence(row, head, tail) for row, head, tail, _ in self.triples])
        self.in_train = np.zeros(len(self.triples), dtype=bool)
        if train is not None:
            names = [[list({m.name for m in entity.mentions}) for entity in doc.entities] for doc in labeled]
            for (row, head, tail, relation), number in self.triples.items():
                self.in_train[number] = train.state(names[row][head], names[row][tail], relation)

        self.notes: list[str] = []
        if self.size < len(documents):
            left_out = len(documents) - self.size
            self.notes.append(f"{counted(left_out, 'gold document')} of {len(documents)} without labels: left out")
        if len(self.triples) < labels:
            self.notes.append(f"{counted(labels - len(self.triples), 'duplicate gold label')}: not counted again")
        if loops:
            self.notes.append(f"{counted(loops, 'gold label')} with head == tail: counted like any other")

    def share_sentence(self, row: int, head: int, tail: int) -> bool:
        """Whether some sentence of the document mentions both entities."""
        return not self.sentences[row][head].isdisjoint(self.sentences[row][tail])
