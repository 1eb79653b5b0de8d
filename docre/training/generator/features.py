"""What a generator learns: the features of all pairs with a relation, by the frozen base model."""

import torch
from torch import Tensor

from docre.data.memory import enough_memory_for
from docre.data.readers import read
from docre.errors import DocreError
from docre.inference.predictor import Predictor
from docre.tensors import even_slices

WANTED = "representation"  # what the base model's classifier reads of a pair


@torch.inference_mode()
def labeled_pairs(predictor: Predictor, path: str, reader: str) -> list[tuple[Tensor, Tensor]]:
    """For each document of a file its pairs with a relation: features [pairs, hidden] and labels, bool [pairs, R].

    The base model does not change, so they are computed once and kept in memory: 4 * hidden + R bytes for each pair.
    Raises DocreError if there are no documents, one has no labels, or the model gives no features.
    """
    documents = read(path, reader)
    if not documents:
        raise DocreError(f"{path}: no documents to learn from")
    for document in documents:
        if document.triples is None:
            raise DocreError(f"{path}: {document.fail('no labels, but the generator learns from them')}")
    predictor.schema.check(documents, path)
    inputs = predictor.featurize(documents, predictor.config.data.max_tokens)
    found: list[tuple[Tensor, Tensor]] = []
    for part in even_slices(len(inputs), predictor.config.evaluation.batch_size):
        batch = predictor.collate(inputs[part]).to(predictor.device)
        with enough_memory_for(batch, "evaluation"):
            auxiliaries = predictor.model(batch, frozenset({WANTED})).auxiliaries
        if WANTED not in auxiliaries:
            raise DocreError(f"the model {predictor.config.model.name!r} gives no features to learn from")
        assert batch.labels is not None
        by_document = auxiliaries[WANTED].float().split(batch.pair_counts), batch.labels.split(batch.pair_counts)
        for features, labels in zip(*by_document, strict=True):
            found.append((features[labels.any(1)], labels[labels.any(1)]))
    return found
