"""Looking into a model: the margins of all candidate pairs, and what a pair attends to."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from docre.analysis import MarginTable
from docre.data import oddities
from docre.data.features import Ints
from docre.data.memory import enough_memory_for
from docre.documents import Document
from docre.errors import DocreWarning
from docre.inference.methods import PairScores
from docre.inference.predictor import Predictor
from docre.inference.scorer import PairScorer


def margin_table(predictor: PairScorer, documents: Sequence[Document], progress: bool = False) -> MarginTable:
    """The margins of every candidate pair of labeled documents, computed as for predictions, calibration included.

    Labels of relations that the model does not know are left out, with a DocreWarning. Raises DocreError for a document
    without labels.
    """
    for document in documents:
        if document.triples is None:
            raise document.fail("no labels, and the analysis needs them")
    for line in oddities.unknown_relations(documents, predictor.schema.index):
        warnings.warn(line, DocreWarning, stacklevel=2)
    features = predictor.prepare(documents)
    relations = len(predictor.schema.relations)
    ends = np.cumsum([0, *(len(f.pairs) for f in features)])
    scores = np.zeros((ends[-1], relations), dtype=np.float32)
    margins, predicted = np.zeros_like(scores), np.zeros(scores.shape, dtype=bool)
    labels = np.zeros_like(predicted)
    for f, start in zip(features, ends, strict=False):
        assert f.labels is not None
        labels[start + f.labels[:, 0], f.labels[:, 1]] = True
    evidence = None
    if predictor.predicts_evidence:
        evidence = np.zeros((ends[-1], max((f.num_sentences for f in features), default=0)), dtype=bool)

    def read(document: Ints, pair: Ints, found: PairScores) -> None:
        here = ends[document] + pair
        if evidence is not None and found.evidence is not None:
            evidence[here, : found.evidence.shape[1]] = found.evidence.cpu().numpy()
        scores[here] = found.scores.cpu().numpy()
        margins[here] = found.margins.cpu().numpy()
        predicted[here] = found.predicted.cpu().numpy()

    predictor.score(features, read, "margins", progress)
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *(f.pairs for f in features)])
    gold = sum(len({(t.head, t.tail, t.relation) for t in document.triples or ()}) for document in documents)
    return MarginTable(
        titles=tuple(document.title for document in documents),
        relations=predictor.schema.relations,
        document=np.repeat(np.arange(len(features)), np.diff(ends)),
        head=pairs[:, 0],
        tail=pairs[:, 1],
        labels=labels,
        predicted=predicted,
        scores=scores,
        margins=margins,
        left_out=gold - int(labels.sum()),
        evidence=evidence,
    )


def context_attention(predictor: Predictor, documents: Sequence[Document]) -> list[NDArray[np.float32]] | None:
    """Of each document, what its entity pairs attend to: [contexts, words], with the contexts of `Features.contexts`.

    It is what the model itself says (see `Model.context_attention`), computed as for predictions. A word has the sum of
    its tokens, those of its entity markers included; words that the length limit cut off have 0. None where the model's
    pairs attend to nothing.
    """
    found: list[NDArray[np.float32]] = []
    for document, f in zip(documents, predictor.featurize(documents), strict=True):
        starts = np.array(predictor.featurize.word_positions(document))
        words = np.zeros((len(f.contexts), len(starts) - 1), dtype=np.float32)
        for batch, _, pair in predictor.batches([f]):
            with enough_memory_for(batch, "evaluation"):
                weights = predictor.context_attention(batch)
            if weights is None:
                return None
            by_token = weights.float().cpu().numpy()[batch.pair_context.cpu().numpy()]
            sums = np.pad(np.cumsum(by_token, axis=1), ((0, 0), (1, 0)))
            last = by_token.shape[1] - 1  # the final [SEP]
            words[f.pair_context[pair]] = np.diff(sums[:, np.minimum(starts, last)], axis=1)
        found.append(words)
    return found
