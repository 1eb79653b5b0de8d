"""Batches in parts and documents in pieces: everything is there once, and gradients and predictions stay the same."""

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from docre.config import Config
from docre.data.features import Features
from docre.data.limits import Limits
from docre.data.schema import LabelSchema
from docre.models import load_tokenizer
from docre.predictor import Predictor
from docre.training.objective import Objective
from tests.tiny import RELATIONS, random_documents, tiny_bert

LIMIT = st.none() | st.integers(1, 60)


@pytest.fixture(scope="module")
def predictor(tiny_encoder) -> Predictor:
    config = Config.model_validate(
        {
            "output": "o",
            "data": {"train": "t"},
            "encoder": {"name": "e"},
            "model": {"name": "atlop", "head_size": 16, "block_size": 4},
            "loss": {"name": "atgl", "alpha": 60.0},
        }
    )
    torch.manual_seed(3)
    backbone = tiny_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return Predictor(config, LabelSchema(RELATIONS), load_tokenizer(str(tiny_encoder)), backbone)


@pytest.fixture(scope="module")
def features(predictor) -> list[Features]:
    """Documents of 2, 12, 20 and 42 pairs, and one of none; some longer than a window."""
    made = [random_documents(2, seed=e, entities=e, sentences=2 + e) for e in (1, 2, 4, 5, 7)]
    return predictor.featurise(list(chain.from_iterable(made)))


@given(data=st.data(), pairs=LIMIT, tokens=LIMIT)
def test_every_pair_and_label_is_in_one_piece(data, pairs, tokens, features):
    chosen = data.draw(st.lists(st.sampled_from(features), min_size=1, max_size=6))
    parts = Limits(pairs, tokens).parts(chosen)
    assert all(parts)
    for part in parts:
        assert pairs is None or sum(len(piece.pairs) for piece in part) <= pairs
        assert tokens is None or len(part) == 1 or sum(len(piece.input_ids) for piece in part) <= tokens
    for got, expected in ((pairs_and_labels(list(chain(*parts))), pairs_and_labels(chosen)),):
        assert got == expected
    if pairs is None and tokens is None:
        assert len(parts) == 1 and all(a is b for a, b in zip(parts[0], chosen, strict=True))


def pairs_and_labels(documents: list[Features]) -> list:
    """(title, pair, its context, its relations) of all pairs, in order."""
    rows = []
    for d in documents:
        relations = [sorted(r for p, r in d.labels.tolist() if p == i) for i in range(len(d.pairs))]
        contexts = d.contexts[d.pair_context].tolist()
        assert len(np.unique(d.pair_context)) == len(d.contexts)  # none that is not used
        rows += zip([d.title] * len(d.pairs), d.pairs.tolist(), contexts, relations, strict=True)
    return rows


def gradients(predictor, batches: list[list[Features]]) -> tuple[float, list[torch.Tensor]]:
    """The loss of documents given in batches, as the training loop weights them, and its gradients."""
    objective = Objective(predictor.model, predictor.loss).train()
    objective.zero_grad()
    pairs = sum(len(d.pairs) for batch in batches for d in batch)
    total = 0.0
    for batch in map(predictor.collate, batches):
        loss = objective(batch) * (len(batch.pair_head) / pairs)
        loss.backward()
        total += float(loss.detach())
    return total, [p.grad.clone() for p in objective.parameters()]


@pytest.mark.parametrize(("pairs", "tokens"), [(5, None), (None, 40), (25, 90)])
def test_parts_have_the_gradient_of_the_whole(pairs, tokens, predictor, features):
    chosen = features[3:6]
    parts = Limits(pairs, tokens).parts(chosen)
    assert len(parts) > 1
    loss, whole = gradients(predictor, [chosen])
    loss_of_parts, in_parts = gradients(predictor, parts)
    assert loss_of_parts == pytest.approx(loss, rel=1e-5)
    for a, b in zip(in_parts, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5 * float(b.abs().max()) + 1e-6)


def test_predictions_do_not_depend_on_the_limits(predictor, features):
    plain = predictor.predict_features(features)
    assert sum(map(len, plain)) > 20
    try:
        for limits in (Limits(7), Limits(15, 30)):
            predictor.limits = limits
            for some, others in zip(predictor.predict_features(features), plain, strict=True):
                assert [(p.head, p.tail, p.relation) for p in some] == [(p.head, p.tail, p.relation) for p in others]
                assert [p.margin for p in some] == pytest.approx([p.margin for p in others], abs=1e-4)
    finally:
        predictor.limits = Limits()


def test_documents_stay_whole_for_a_model_whose_pairs_interact(features):
    parts = Limits(pairs=5, whole=True).parts(features)
    assert [d.title for part in parts for d in part] == [d.title for d in features]
