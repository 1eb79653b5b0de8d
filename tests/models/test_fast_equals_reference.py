"""ATLOP's fast path has the logits and gradients of the slow reference, for one window and for several."""

import random

import numpy as np
import pytest
import torch

from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features
from docre.losses import build
from docre.models import MODELS, Encoder
from docre.models.bilinear import SLICE_PAIRS, GroupedBilinear, _BlockwiseBilinear
from docre.tensors import Batch, ModelOutput
from tests.models.reference import Lists, ReferenceATLOP, reference_decisions, reference_loss
from tests.tiny import tiny_bert, tiny_roberta

RELATIONS = 5
LIMIT = 48  # tokens the tiny encoders take


def features(rng: random.Random, length: int, entities: int, max_mentions: int = 3, share: float = 1.0) -> Features:
    """A document of random tokens. Some entities have no mention; a random share of the pairs are candidates."""
    positions, owners = [], []
    for e in range(entities):
        for _ in range(rng.randint(0 if e % 4 == 3 else 1, max_mentions)):
            positions.append(rng.randrange(1, length - 1))
            owners.append(e)
    pairs = [(h, t) for h in range(entities) for t in range(entities) if h != t and rng.random() < share]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    contexts, inverse = np.unique(np.sort(table, axis=1), axis=0, return_inverse=True)
    labels = [(i, rng.randrange(RELATIONS)) for i in range(len(pairs)) if rng.random() < 0.2]
    starts = np.array(positions, dtype=np.int64)
    ids = [2, *(rng.randrange(5, 70) for _ in range(length - 2)), 3]
    return Features(
        title=f"{length}",
        input_ids=np.array(ids),
        mentions=np.stack([starts, starts + 1], axis=1),
        mention_entity=np.array(owners, dtype=np.int64),
        num_entities=entities,
        pairs=table,
        contexts=contexts.reshape(-1, 2),
        pair_context=inverse.reshape(-1),
        labels=np.array(labels, dtype=np.int64).reshape(-1, 2),
        token_sentence=np.array([-1, *([0] * (length - 2)), -1]),
        num_sentences=1,
        evidence=np.empty((0, 2), dtype=np.int64),
        cut_mentions=0,
    )


def random_features(lengths, entities, seed=0, **options) -> list[Features]:
    rng = random.Random(seed)
    return [features(rng, n, e, **options) for n, e in zip(lengths, entities, strict=True)]


def batch_of(lengths, entities, seed=0, ends=1, **options) -> Batch:
    documents = random_features(lengths, entities, seed, **options)
    return Collator(WindowPlan(LIMIT, (2,), (3,) * ends), RELATIONS)(documents)


BATCHES = {
    "one document": ([20], [4]),
    "several lengths": ([11, 48, 30, 7], [3, 8, 5, 2]),
    "two windows": ([49, 96, 20, 70], [4, 6, 3, 5]),
    "two windows that leave a gap": ([95, 96], [12, 12]),
    "many windows": ([97, 180, 333], [5, 6, 9]),
    "no entity in one": ([12, 30, 15], [0, 4, 0]),
    "a single entity": ([12, 30], [1, 3]),
}


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", ["packed", "padded", "roberta"])
@pytest.mark.parametrize("name", BATCHES)
def test_logits_and_gradients(name, kind, layers):
    torch.manual_seed(0)
    make = tiny_roberta if kind == "roberta" else tiny_bert
    model = MODELS.build("atlop", {"head_size": 24, "block_size": 8}, Encoder(make(), layers), RELATIONS + 1).eval()
    if kind == "padded":
        model.encoder.packed = False
        model.encoder.backbone.set_attn_implementation("eager")
    assert model.encoder.max_length == LIMIT
    reference = ReferenceATLOP.copy_of(model, make()).eval()
    batch = batch_of(*BATCHES[name], ends=model.encoder.window_end)

    loss = build("atl", RELATIONS)
    output = model(batch)
    expected = reference(batch)
    torch.testing.assert_close(output.logits, expected, atol=1e-4, rtol=1e-4)
    if not len(batch.pair_head):
        return
    loss(output, batch.labels).backward()
    loss(type(output)(expected), batch.labels).backward()
    wanted = {f"encoder.{n}" if n.startswith("backbone.") else n: p.grad for n, p in reference.named_parameters()}
    got = {n: p.grad for n, p in model.named_parameters()}
    assert got.keys() == wanted.keys()
    for parameter, gradient in wanted.items():
        if gradient is None:
            assert got[parameter] is None or not got[parameter].any(), parameter
        else:
            torch.testing.assert_close(got[parameter], gradient, atol=1e-4, rtol=1e-3, msg=parameter)


@pytest.mark.parametrize("seed", range(8))
def test_random_batches(seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    model = MODELS.build("atlop", {"head_size": 16, "block_size": 4}, Encoder(tiny_bert()), RELATIONS + 1).eval()
    count = rng.randint(1, 5)
    lengths = [rng.randint(3, 150) for _ in range(count)]
    entities = [rng.randint(0, 9) for _ in range(count)]
    batch = batch_of(lengths, entities, seed, share=rng.choice([0.2, 1.0]), max_mentions=5)
    with torch.inference_mode():
        expected = ReferenceATLOP.copy_of(model, tiny_bert()).eval()(batch)
        torch.testing.assert_close(model(batch).logits, expected, atol=1e-4, rtol=1e-4)


def test_dropout_is_applied_in_the_same_places():
    """In training, mean and standard deviation of the logits over many draws are those of the reference."""
    torch.manual_seed(0)
    model = MODELS.build("atlop", {"head_size": 16, "block_size": 4}, Encoder(tiny_bert()), RELATIONS + 1).train()
    reference = ReferenceATLOP.copy_of(model, tiny_bert()).train()
    batch = batch_of([20, 30], [3, 3])
    with torch.inference_mode():
        fast = torch.stack([model(batch).logits for _ in range(400)])
        slow = torch.stack([reference(batch) for _ in range(400)])
    error = (fast.var(0) / 400 + slow.var(0) / 400).sqrt()
    assert ((fast.mean(0) - slow.mean(0)).abs() / error).max() < 5
    ratio = fast.std(0) / slow.std(0)
    assert 0.75 < ratio.min() and ratio.max() < 1.33


def test_packed_dropout_is_off_in_eval_mode():
    model = MODELS.build("atlop", {"head_size": 16, "block_size": 4}, Encoder(tiny_bert()), RELATIONS + 1).eval()
    batch = batch_of([20, 30], [3, 3])
    assert torch.equal(model(batch).logits, model(batch).logits)


@pytest.mark.parametrize("pairs", [0, 1, 7, 23])
def test_blockwise_bilinear_is_the_outer_product(pairs, monkeypatch):
    monkeypatch.setitem(SLICE_PAIRS, "cpu", 10)
    torch.manual_seed(0)
    layer = GroupedBilinear(12, 4, 6).double()
    head = torch.randn(pairs, 3, 4, dtype=torch.float64, requires_grad=True)
    tail = torch.randn(pairs, 3, 4, dtype=torch.float64, requires_grad=True)
    expected = torch.einsum("pgi,pgj,ogij->po", head, tail, layer.weight.view(6, 3, 4, 4)) + layer.bias
    torch.testing.assert_close(layer(head, tail), expected)
    if pairs:
        assert torch.autograd.gradcheck(lambda h, t, w: _BlockwiseBilinear.apply(h, t, w), (head, tail, layer.weight))


def test_reference_loss_and_decisions_are_those_of_atl():
    torch.manual_seed(0)
    batch = batch_of([20, 30], [4, 5])
    loss = build("atl", RELATIONS)
    logits = torch.randn(len(batch.pair_head), RELATIONS + 1) * 3
    torch.testing.assert_close(reference_loss(logits, Lists.of(batch)), loss(ModelOutput(logits), batch.labels))
    decided = reference_decisions(logits, 2)
    assert torch.equal(decided[:, 1:].bool(), loss.decide(logits, 2))
    assert torch.equal(decided[:, 0].bool(), ~loss.decide(logits, 2).any(1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
def test_mixed_precision_stays_near(dtype):
    """Under autocast the encoder and the classifier run in half precision; pooling and the loss do not."""
    torch.manual_seed(0)
    model = MODELS.build("atlop", {"head_size": 24, "block_size": 8}, Encoder(tiny_bert(), 3), RELATIONS + 1).eval()
    batch = batch_of([49, 96, 20], [4, 6, 3])
    exact = model(batch).logits
    with torch.autocast("cpu", dtype):
        output = model(batch)
    assert output.logits.dtype == torch.float32
    assert (output.logits - exact).norm() / exact.norm() < 0.1
    build("atgl", RELATIONS)(output, batch.labels).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
