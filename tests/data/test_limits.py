"""Splitting batches and documents: nothing is lost or repeated, and gradients and predictions stay the same."""

from dataclasses import replace
from itertools import chain
from math import isqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from docre.config.schema import Config
from docre.data.features import Features, unordered_pairs
from docre.data.limits import Limits, restrict_to_pairs
from docre.data.schema import LabelSchema
from docre.inference.predictor import Predictor
from docre.models import Encoder, load_tokenizer
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
    """Documents with 0, 2, 12, 20 and 42 pairs; some are longer than a window."""
    made = [random_documents(2, seed=e, entities=e, sentences=2 + e) for e in (1, 2, 4, 5, 7)]
    return predictor.featurize(list(chain.from_iterable(made)))


@given(data=st.data(), pairs=LIMIT, tokens=LIMIT)
def test_every_pair_and_label_is_in_one_piece(data, pairs, tokens, features):
    chosen = data.draw(st.lists(st.sampled_from(features), min_size=1, max_size=6))
    parts = Limits(pairs, tokens).split_batch(chosen)
    assert all(parts)
    for part in parts:
        assert pairs is None or sum(len(piece.pairs) for piece in part) <= pairs
        assert tokens is None or len(part) == 1 or sum(len(piece.input_ids) for piece in part) <= tokens
    for got, expected in ((pairs_and_labels(list(chain(*parts))), pairs_and_labels(chosen)),):
        assert got == expected
    if pairs is None and tokens is None:
        assert len(parts) == 1 and all(a is b for a, b in zip(parts[0], chosen, strict=True))


def pairs_and_labels(documents: list[Features]) -> list:
    """(title, pair, context, relations) of all pairs, in order."""
    rows = []
    for d in documents:
        relations = [sorted(r for p, r in d.labels.tolist() if p == i) for i in range(len(d.pairs))]
        contexts = d.contexts[d.pair_context].tolist()
        assert len(np.unique(d.pair_context)) == len(d.contexts)  # none that is not used
        rows += zip([d.title] * len(d.pairs), d.pairs.tolist(), contexts, relations, strict=True)
    return rows


def gradients(predictor, batches: list[list[Features]]) -> tuple[float, list[torch.Tensor]]:
    """The loss and its gradients over several batches, weighted as in the training loop."""
    objective = Objective(predictor.model, predictor.loss).train()
    objective.zero_grad()
    totals = {"pairs": sum(len(d.pairs) for batch in batches for d in batch)}
    total = 0.0
    for batch in map(predictor.collate, batches):
        loss, _ = objective(batch, totals)
        loss.backward()
        total += float(loss.detach())
    return total, [p.grad.clone() for p in objective.parameters()]


@pytest.mark.parametrize(("pairs", "tokens"), [(5, None), (None, 40), (25, 90)])
def test_parts_have_the_gradient_of_the_whole(pairs, tokens, predictor, features):
    chosen = features[3:6]
    parts = Limits(pairs, tokens).split_batch(chosen)
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


@given(
    entities=st.integers(2, 12),
    listed=st.none() | st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1),
    limit=st.none() | st.integers(1, 200),
)
def test_every_pair_is_in_one_tile(entities, listed, limit, features):
    every = [(h, t) for h in range(entities) for t in range(entities) if h != t]
    pairs = np.array(every if listed is None else list(dict.fromkeys(listed)), dtype=np.int64)
    contexts, pair_context = unordered_pairs(pairs)
    mention_entity = np.arange(12).repeat(2)
    mentions = np.stack([np.arange(24), np.arange(24) + 1], axis=1)
    document = replace(
        features[0],
        mentions=mentions,
        mention_entity=mention_entity,
        num_entities=12,
        pairs=pairs,
        contexts=contexts,
        pair_context=pair_context,
    )
    tiles = list(Limits(limit).tile_pairs(document))
    assert sorted(np.concatenate(tiles).tolist()) == list(range(len(pairs)))
    for chosen in tiles:
        assert limit is None or len(chosen) <= limit
        some, left = restrict_to_pairs(document, chosen)
        used = np.unique(pairs[chosen])
        assert some.num_entities == len(used) <= (12 if limit is None else 2 * max(1, isqrt(limit // 2)))
        assert (used[some.pairs] == pairs[chosen]).all()
        assert (used[some.contexts[some.pair_context]] == np.sort(pairs[chosen], axis=1)).all()
        assert (mentions[left] == some.mentions).all() and (used[some.mention_entity] == mention_entity[left]).all()
        assert set(mention_entity[left]) == set(used.tolist()) and some.labels is None


def test_the_encoder_reads_a_document_once(predictor, features, monkeypatch):
    """The encoder runs once however many tiles the pairs are split into, also for a document of several windows."""
    read = []
    real = Encoder.encode_windows
    monkeypatch.setattr(Encoder, "encode_windows", lambda self, batch: read.append(batch.titles) or real(self, batch))
    monkeypatch.setattr(predictor, "limits", Limits(7))
    whole = predictor.model.encoder.max_length
    assert max(len(f.input_ids) for f in features if len(f.pairs) > 7) > whole
    sizes = []
    predictor.run_model(features, lambda document, pair, output, batch: sizes.append(len(pair)), "x")
    assert max(sizes) <= 7 and len(sizes) > len(features) and sum(sizes) == sum(len(f.pairs) for f in features)
    titles = [title for titles in read for title in titles]
    assert len(titles) == len(features)


def test_documents_stay_whole_for_a_model_whose_pairs_interact(features):
    parts = Limits(pairs=5, keep_whole=True).split_batch(features)
    assert [d.title for part in parts for d in part] == [d.title for d in features]
