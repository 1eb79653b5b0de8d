"""Looking into a model: the margins of all candidate pairs, and what a pair attends to."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from docre.analysis import MarginTable
from docre.data.features import Features
from docre.documents import Document
from docre.models.pooling import pool_attention
from docre.predictor import Predictor
from docre.tensors import Batch


def measure(predictor: Predictor, documents: Sequence[Document], progress: bool = False) -> MarginTable:
    """The margins of every candidate pair of labelled documents, computed as for predictions, calibration included.

    Raises DocreError for a document without labels, or with a relation that the model does not know.
    """
    for document in documents:
        if document.triples is None:
            raise document.fail("no labels, and the analysis needs them")
    predictor.schema.check(documents, "analysis")
    features = predictor.featurise(documents)
    relations = len(predictor.schema.relations)
    ends = np.cumsum([0, *(len(f.pairs) for f in features)])
    scores = np.zeros((ends[-1], relations), dtype=np.float32)
    margins, predicted = np.zeros_like(scores), np.zeros(scores.shape, dtype=bool)
    labels = np.zeros_like(predicted)
    for f, start in zip(features, ends, strict=False):
        assert f.labels is not None
        labels[start + f.labels[:, 0], f.labels[:, 1]] = True
    loss = predictor.loss
    with tqdm(total=len(features), unit="doc", desc="margins", disable=not progress, leave=False) as bar:
        for chunk, batch in _batches(predictor, features):
            logits = predictor.logits(batch)
            rows = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in chunk])
            scores[rows] = loss.scores(logits.float()).cpu().numpy()
            margins[rows] = loss.margins(logits).cpu().numpy()
            predicted[rows] = loss.decide(logits, predictor.config.evaluation.top_k).cpu().numpy()
            bar.update(len(chunk))
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
    )


def context_attention(predictor: Predictor, documents: Sequence[Document]) -> list[NDArray[np.float32]]:
    """Of each document, what its entity pairs attend to (the weights of localized context pooling, Zhou et al. 2021,
    eq. 9): [contexts, words], with the contexts of `Features.contexts`. A word has the sum of its tokens, those of its
    entity markers included; words that the length limit cut off have 0."""
    features = predictor.featurise(documents)
    found: list[NDArray[np.float32]] = [np.zeros((0, 0), dtype=np.float32)] * len(documents)
    for chunk, batch in _batches(predictor, features, size=1):
        (i,) = chunk
        with torch.inference_mode():
            rows = pool_attention(predictor.model.encoder(batch)[1], batch)
            products = (rows[batch.context_first] * rows[batch.context_second]).mean(1)
            weights = (products / (products.sum(1, keepdim=True) + 1e-5)).cpu().numpy()
        starts = np.array(predictor.featurise.word_positions(documents[i]))
        sums = np.pad(np.cumsum(weights, axis=1), ((0, 0), (1, 0)))
        last = weights.shape[1] - 1  # the final [SEP]
        found[i] = np.diff(sums[:, np.minimum(starts, last)], axis=1).astype(np.float32)
    return found


def _batches(
    predictor: Predictor, features: Sequence[Features], size: int | None = None
) -> Iterator[tuple[list[int], Batch]]:
    """Documents of like length together, with the model in evaluation mode and back as it was at the end."""
    size = size or predictor.config.evaluation.batch_size
    order = sorted(range(len(features)), key=lambda i: len(features[i].input_ids))
    training = predictor.model.training
    predictor.model.eval()
    try:
        for start in range(0, len(order), size):
            chunk = order[start : start + size]
            yield chunk, predictor.collate([features[i] for i in chunk]).to(predictor.device)
    finally:
        predictor.model.train(training)
