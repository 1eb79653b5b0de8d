"""Long documents read in parts: each pair as the parts that mention both entities see it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docre.core.progress import progress_bar
from docre.data.features import Features, Ints
from docre.errors import DocreError
from docre.inference.methods.base import INFERENCES, Handle, Inference, PairScores
from docre.inference.methods.decision import decided, wanted
from docre.inference.methods.excerpt import Bools, excerpt
from docre.tensors import Batch, ModelOutput

if TYPE_CHECKING:
    from docre.inference.predictor import Predictor

NEVER = -100.0  # the score and margin of pairs that no part mentions together
GROUP = 64  # documents that are read together
SLICE = 1 << 14  # pairs that are handed on together


@INFERENCES.register("parts")
class Parts(Inference):
    """Reads long documents in parts, each as a document of its own.

    A document that is longer than `tokens` is divided into parts of at most that length: whole sentences, each part
    from the middle of the one before. A relation of a pair has its highest margin over the parts that mention both
    entities, and is predicted if a part predicts it; of each pair at most `evaluation.top_k`. The evidence is that of
    the part with the pair's highest margin. Pairs that no part mentions together have no relation. A sentence that is
    longer is a part of its own.

    A model knows documents as long as those it was trained on; of longer ones it predicts too much or misses much
    (docs/text.md has measurements). This takes about twice the time of reading each token once.

    Parameters:
    tokens: the length of a part, [CLS] and [SEP] included; best about that of the training documents. A document is
            still cut off at `evaluation.max_tokens`.
    """

    def __init__(self, tokens: int = 512) -> None:
        super().__init__()
        if tokens < 8:
            raise DocreError(f"inference 'parts': tokens: expected at least 8, got {tokens}")
        self.tokens = tokens

    def score(
        self, predictor: "Predictor", features: Sequence[Features], handle: Handle, task: str, progress: bool = False
    ) -> None:
        with progress_bar(len(features), task, "document", show=progress) as bar:
            for start in range(0, len(features), GROUP):
                group = features[start : start + GROUP]
                for i, merged in enumerate(self._read(predictor, group, task), start):
                    merged.hand_on(i, handle, partial(predictor.loss.limit, top_k=predictor.top_k))
                bar.update(len(group))

    def apart(self, predictor: "Predictor", document: Features) -> Bools:
        parts = np.array(list(divide(document, self.tokens)))  # [parts, sentences]
        mentioned = np.zeros((document.num_entities, len(parts)), dtype=np.float32)
        for entity, start in zip(document.mention_entity, document.mentions[:, 0], strict=True):
            mentioned[entity] += parts[:, document.token_sentence[start]]
        together = np.greater(mentioned @ mentioned.T, 0)  # [entities, entities]
        heads, tails = document.pairs.T
        somewhere = together.diagonal()
        return somewhere[heads] & somewhere[tails] & ~together[heads, tails]

    def _read(self, predictor: "Predictor", features: Sequence[Features], task: str) -> "list[Merged]":
        """What the parts of each document say together."""
        excerpts = [[numbered_anew(document, part) for part in divide(document, self.tokens)] for document in features]
        relations = len(predictor.schema.relations)
        merged = [Merged(*both, relations) for both in zip(features, excerpts, strict=True)]
        places = [(whole, part) for whole, parts in zip(merged, excerpts, strict=True) for part in parts]

        def keep(document: Ints, pair: Ints, output: ModelOutput, batch: Batch) -> None:
            found = decided(predictor, output, batch)
            scores, margins, predicted = (x.cpu().numpy() for x in (found.scores, found.margins, found.predicted))
            evidence = None if found.evidence is None else found.evidence.cpu().numpy()
            for j in np.unique(document):
                rows = document == j
                whole, part = places[j]
                own_evidence = None if evidence is None else evidence[rows]
                found_there = scores[rows], margins[rows], predicted[rows], own_evidence
                whole.add(part.pair[pair[rows]], *found_there, part.first)

        predictor.run_model([part.features for _, part in places], keep, task, wanted(predictor))
        return merged


class Part(NamedTuple):
    """An Excerpt of consecutive sentences, numbered from 0, and the number of the `first` in the whole document."""

    features: Features
    pair: Ints
    first: int


def numbered_anew(document: Features, sentences: Bools) -> Part:
    """The part of these sentences, bool [sentences]. With its own numbers, what is computed for each of its sentences
    does not grow with the document."""
    features, pair = excerpt(document, sentences)
    first = int(sentences.argmax()) if len(sentences) else 0
    token_sentence = np.maximum(features.token_sentence - first, -1)
    return Part(replace(features, token_sentence=token_sentence, num_sentences=int(sentences.sum())), pair, first)


class Merged:
    """What the parts of a document say together of the pairs that they mention.

    document: the features of the whole document.
    parts:    its excerpts.
    """

    def __init__(self, document: Features, parts: Sequence[Part], relations: int) -> None:
        self.count = len(document.pairs)
        self.pairs = np.unique(np.concatenate([part.pair for part in parts]))
        shape = len(self.pairs), relations
        self.scores = np.full(shape, NEVER, dtype=np.float32)
        self.margins = np.full(shape, -np.inf, dtype=np.float32)
        self.predicted = np.zeros(shape, dtype=bool)
        self.sentences = document.num_sentences
        self.first = np.zeros(len(self.pairs), dtype=np.int64)  # the sentence at which the part of the evidence begins
        self.widest = max(part.features.num_sentences for part in parts)
        self.evidence: Bools | None = None  # [pairs, widest]: kept by part, as a document may have many sentences

    def add(
        self,
        pair: Ints,
        scores: NDArray[np.float32],
        margins: NDArray[np.float32],
        predicted: Bools,
        evidence: Bools | None,
        first: int,
    ) -> None:
        """Add what a part that begins with the sentence `first` says of some pairs, which are given by their positions
        in the document."""
        rows = np.searchsorted(self.pairs, pair)
        before = self.margins[rows]
        higher = margins > before
        if evidence is not None:
            if self.evidence is None:
                self.evidence = np.zeros((len(self.pairs), self.widest), dtype=bool)
            best = margins.max(1) > before.max(1)
            self.first[rows[best]] = first
            self.evidence[rows[best]] = False
            width = min(evidence.shape[1], self.widest)
            self.evidence[rows[best], :width] = evidence[best, :width]
        self.margins[rows] = np.where(higher, margins, before)
        self.scores[rows] = np.where(higher, scores, self.scores[rows])
        self.predicted[rows] |= predicted

    def hand_on(self, number: int, handle: Handle, limit: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Call `handle` with all pairs of the document, which has this number. `limit`: which predicted relations of a
        pair remain, given their scores (see Loss.limit)."""
        for start in range(0, len(self.pairs), SLICE):
            here = slice(start, start + SLICE)
            scores, margins, predicted = (
                torch.from_numpy(x[here]) for x in (self.scores, self.margins, self.predicted)
            )
            found = PairScores(scores, margins, limit(predicted, scores), self._evidence(here))
            handle(np.full(len(scores), number), self.pairs[here], found)
        apart = np.setdiff1d(np.arange(self.count), self.pairs, assume_unique=True)
        for start in range(0, len(apart), SLICE):
            pairs = apart[start : start + SLICE]
            shape = len(pairs), self.scores.shape[1]
            never, no = torch.tensor(NEVER).expand(shape), torch.tensor(False)
            no_evidence = None if self.evidence is None else no.expand(len(pairs), self.sentences)
            handle(np.full(len(pairs), number), pairs, PairScores(never, never, no.expand(shape), no_evidence))

    def _evidence(self, rows: slice) -> Tensor | None:
        """The evidence of some pairs among all sentences of the document, bool [pairs, sentences]."""
        if self.evidence is None:
            return None
        pair, sentence = np.nonzero(self.evidence[rows])
        found = torch.zeros(len(self.evidence[rows]), self.sentences, dtype=torch.bool)
        found[torch.from_numpy(pair), torch.from_numpy(self.first[rows][pair] + sentence)] = True
        return found


def divide(document: Features, tokens: int) -> Iterator[Bools]:
    """The sentences of each part of a document, bool [sentences]: as many whole sentences as fit into `tokens`; each
    part begins in the middle of the one before. There is at least one."""
    lengths = np.bincount(document.token_sentence[document.token_sentence >= 0], minlength=document.num_sentences)
    ends = np.cumsum(lengths)  # the tokens up to the end of each sentence

    def last(first: int) -> int:
        """The sentence after the last of a part."""
        most = ends[first] - lengths[first] + tokens - 2
        return max(int(np.searchsorted(ends, most, side="right")), first + 1)

    begin, end = 0, last(0) if len(ends) else 0
    while True:
        part = np.zeros(len(ends), dtype=bool)
        part[begin:end] = True
        yield part
        if end == len(ends):
            return
        middle = (ends[begin] - lengths[begin] + ends[end - 1]) / 2
        begin = max(int(np.searchsorted(ends, middle, side="right")), begin + 1)
        while last(begin) == end:  # it would lie within the one before
            begin += 1
        end = last(begin)
