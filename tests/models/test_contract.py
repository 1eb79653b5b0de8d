"""The contract of models, tested for every registered one. A new model is covered as soon as its file exists."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import docre
from docre.config.loading import validate
from docre.core.registry import describe
from docre.data.collate import Collator, WindowPlan
from docre.data.features import Featurizer
from docre.data.schema import LabelSchema
from docre.inference.checkpoint import save
from docre.inference.predictor import Predictor
from docre.losses import build
from docre.models import MODELS, Encoder, load_pretrained, load_tokenizer
from docre.tensors import Batch, ModelOutput
from tests.tiny import RELATIONS, random_document, random_documents

every_model = pytest.mark.parametrize("name", list(MODELS))
OUTPUTS = len(RELATIONS) + 1


@pytest.fixture(scope="module")
def setting(tiny_encoder):
    """(a function that builds a model by name, one that makes a batch of documents)."""
    tokenizer = load_tokenizer(str(tiny_encoder))
    schema = LabelSchema(RELATIONS)
    featurize = Featurizer(tokenizer, schema)

    def model(name: str, **parameters):
        torch.manual_seed(5)
        encoder = Encoder(load_pretrained(str(tiny_encoder)))
        return MODELS.build(name, parameters, encoder, OUTPUTS).eval()

    def batch(documents, change=lambda features: features) -> Batch:
        features = [change(f) for f in featurize(documents)]
        plan = WindowPlan(48, (tokenizer.cls_token_id,), (tokenizer.sep_token_id,))
        return Collator(plan, len(RELATIONS))(features)

    return model, batch


def by_document(output: ModelOutput, batch: Batch) -> list[Tensor]:
    return list(output.logits.split(batch.pair_counts))


def close(found: Tensor, expected: Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance * max(1.0, float(expected.abs().max())), rtol=0)


@every_model
def test_says_what_it_is(name):
    text = describe(name, MODELS[name], 2)
    assert MODELS[name].reference and "reference: -" not in text
    doc = MODELS[name].__doc__ or ""
    assert "Parameters:" in doc and "Reference:" in doc, "the docstring says 'Parameters:' and 'Reference:'"


@every_model
def test_finite_and_every_parameter_learns(name, setting):
    """In training mode, with a loss. A parameter without a gradient is one that should not be there."""
    model, batch = setting
    made = model(name).train()
    documents = batch(random_documents(3, seed=1, sentences=9, entities=6))
    output = made(documents)
    assert output.logits.shape == (len(documents.pair_head), OUTPUTS) and output.logits.isfinite().all()
    build("atl", len(RELATIONS))(output, documents.labels).backward()
    silent = [n for n, p in made.named_parameters() if p.grad is None and not n.startswith("encoder.")]
    assert not silent
    assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)


@every_model
def test_documents_do_not_matter_to_each_other(name, setting):
    """Their order, and how much the longest pads the others. Where pairs interact, a batch may matter, a run not."""
    model, batch = setting
    made = model(name)
    documents = [random_document(i, entities=n, sentences=s) for i, (n, s) in enumerate([(3, 2), (7, 12), (5, 4)])]
    with torch.no_grad():
        together = by_document(made(batch(documents)), batch(documents))
        again = by_document(made(batch(documents)), batch(documents))
        assert all(torch.equal(a, b) for a, b in zip(together, again, strict=True))
        if not made.pairs_interact:
            reversed_ = by_document(made(batch(documents[::-1])), batch(documents[::-1]))[::-1]
            alone = [made(batch([document])).logits for document in documents]
            for a, b, c in zip(together, reversed_, alone, strict=True):
                close(b, a)
                close(c, a)


@every_model
def test_pairs_do_not_matter_to_each_other(name, setting):
    """Unless they interact: with half of the pairs left out, the others have the same logits."""
    model, batch = setting
    made = model(name)
    document = random_document(4, entities=6, sentences=5)
    kept = tuple(document.candidate_pairs)[::2]
    with torch.no_grad():
        whole = made(batch([document])).logits
        part = made(batch([replace(document, pairs=kept, triples=())])).logits
    assert len(part) == len(kept)
    if not made.pairs_interact:
        close(part, whole[::2])


@every_model
@pytest.mark.parametrize("entities", [0, 1])
def test_no_pairs(name, entities, setting):
    """Documents without pairs, alone and beside others, in training too."""
    model, batch = setting
    empty, other = random_document(3, entities=entities), random_document(5)
    made = model(name).train()
    alone = made(batch([empty]))
    assert alone.logits.shape == (0, OUTPUTS)
    (alone.logits.sum() + 0 * sum(p.sum() for p in made.encoder.parameters())).backward(retain_graph=True)
    silent = [n for n, p in made.named_parameters() if p.grad is None]
    assert not silent  # with several processes, the others would wait for its gradient
    made.zero_grad()
    documents = batch([empty, other, empty])
    assert made(documents).logits.isfinite().all()
    loss = build("atl", len(RELATIONS))
    (loss(made(documents), documents.labels) + loss(alone, batch([empty]).labels)).backward()
    assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)


@every_model
def test_entities_without_mentions(name, setting):
    """All of whose mentions are beyond the length limit."""
    model, batch = setting

    def cut(features):
        kept = features.mention_entity > 1
        return replace(features, mentions=features.mentions[kept], mention_entity=features.mention_entity[kept])

    made = model(name).train()
    documents = batch(random_documents(2, seed=7), cut)
    output = made(documents)
    build("atl", len(RELATIONS))(output, documents.labels).backward()
    assert output.logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)


@every_model
def test_half_precision(name, setting):
    """Under bf16 autocast, logits are finite and near those of float32."""
    model, batch = setting
    made = model(name)
    documents = batch(random_documents(2, seed=2))
    with torch.no_grad():
        exact = made(documents).logits
        with torch.autocast("cpu", torch.bfloat16):
            rounded = made(documents).logits.float()
    assert rounded.isfinite().all()
    assert (rounded - exact).abs().max() < 0.15 * max(1.0, float(exact.abs().max()))


@every_model
def test_wanted_attention(name, setting):
    """Is there if the model attends to tokens, only if it is wanted; it changes no logit, and sums to at most 1."""
    model, batch = setting
    made = model(name)
    documents = batch(random_documents(3, seed=3, sentences=8))
    with torch.no_grad():
        plain, wanted = made(documents), made(documents, frozenset({"attention"}))
    assert plain.attention is None and not plain.auxiliaries
    assert (wanted.attention is not None) == ("attention" in made.offers)
    close(wanted.logits, plain.logits)
    if wanted.attention is not None:
        assert wanted.attention.shape == (len(documents.context_first), max(documents.document_lengths))
        assert (wanted.attention >= 0).all() and (wanted.attention.sum(1) <= 1 + 1e-5).all()
        for rows, length in zip(
            wanted.attention.split(documents.context_counts), documents.document_lengths, strict=True
        ):
            assert not rows[:, length:].any()


@every_model
def test_rate_groups_name_parameters(name, setting):
    names = [n for n, _ in setting[0](name).named_parameters()]
    for group, prefixes in MODELS[name].rate_groups.items():
        assert group not in ("encoder", "head")
        for prefix in prefixes:
            assert any(n == prefix or n.startswith(f"{prefix}.") for n in names), f"{group}: {prefix}"


@every_model
def test_saved_and_loaded(name, tiny_encoder, tmp_path):
    """A checkpoint predicts what the model did."""
    values = {
        "output": "x",
        "data": {"train": "x"},
        "encoder": {"name": str(tiny_encoder)},
        "model": {"name": name},
        "loss": {"name": "atl"},
    }
    torch.manual_seed(3)
    config = validate(values, "test")
    encoder = str(tiny_encoder)
    predictor = Predictor(config, LabelSchema(RELATIONS), load_tokenizer(encoder), load_pretrained(encoder))
    documents = random_documents(3, seed=4)
    before = predictor.predict(documents)
    save(predictor, tmp_path / "c")
    assert docre.load(tmp_path / "c", "cpu").predict(documents) == before
    with torch.no_grad():
        scale = {n: p.norm() for n, p in predictor.model.named_parameters()}
    assert all(np.isfinite(float(s)) for s in scale.values())


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Records the elements of the largest tensor that is made."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for x in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(x, Tensor):
                self.elements = max(self.elements, x.numel())
        return result


@every_model
def test_memory_is_linear_in_pairs(name, setting):
    """81 entities, as in DWIE: no tensor of pairs times tokens times heads, or of pairs times the outer products."""
    model, batch = setting
    made = model(name)
    largest = {}
    for entities in (20, 81):
        documents = batch([random_document(1, entities=entities, sentences=40)])
        gc.collect()
        with torch.no_grad(), Largest() as seen:
            made(documents)
        largest[entities] = seen.elements
    pairs = 81 * 80
    weights = max(p.numel() for p in made.parameters())
    assert largest[81] <= max(weights, 2**21, pairs * 2048), f"{largest[81] / pairs:.0f} numbers a pair"
