"""DocuNet: the golden values of the published implementation, and its slow reference on random documents."""

import pytest
import torch
from transformers import BertConfig, BertModel

from docre.losses import build
from docre.models import MODELS, Encoder
from docre.tensors import ModelOutput
from tests.models.published import docunet as slow
from tests.models.published.held_values import Golden
from tests.models.published.padded import Document
from tests.models.published.random_documents import RELATIONS, random_batches, tiny_config, tiny_encoder
from tests.models.translate import assert_gradient_norms, assert_gradients, batch_of, load, name_here
from tests.tiny import sharpen

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "docunet")


def build_model(golden, variant, map_size=None, **repairs):
    values, sizes = golden.json, golden.json["variants"][variant]
    config = BertConfig(**values["bert_config"], hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    parameters = {
        "head_size": values["emb_size"],
        "block_size": values["block_size"],
        "channels": sizes["unet_in_dim"],
        "map_features": sizes["unet_out_dim"],
        "width": sizes["down_dim"],
        "map_size": map_size or sizes["max_height"],
    }
    model = MODELS.build("docunet", parameters | repairs, Encoder(BertModel(config)), values["num_classes"])
    load(model, golden.weights("encoder", f"docunet_{variant}"))
    return model.eval()


def golden_batch(golden, name, model):
    return batch_of(golden.documents(name), model, golden.json["num_classes"] - 1)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("variant", "name"), [("a", n) for n in ("mixed", "cut", "long", "full", "over")] + [("b", "mixed"), ("b", "cut")]
)
def test_golden_logits(golden, variant, name):
    model = build_model(golden, variant, golden.json["batches"][name].get("max_height"))
    logits = model(golden_batch(golden, name, model)).logits
    torch.testing.assert_close(logits, golden.expected[f"{variant}.{name}.logits"], atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_golden_logits_of_a_larger_map(golden):
    model = build_model(golden, "a", map_size=48)
    logits = model(golden_batch(golden, "mixed", model)).logits
    torch.testing.assert_close(logits, golden.expected["a.mixed.logits_at_height_48"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_golden_losses_and_gradients(golden, variant, mode):
    model = build_model(golden, variant).train(mode == "train")
    documents = golden_batch(golden, "mixed", model)
    output = model(documents)
    loss = build("balanced_softmax", golden.json["num_classes"] - 1)(output, documents.labels)
    loss.backward()
    expected = golden.json["losses"][f"{variant}.mixed.{mode}"]
    assert loss.item() == pytest.approx(expected["loss"], rel=TOLERANCE)
    assert_gradient_norms(model, expected["grad_norm"])
    if mode == "train":
        torch.testing.assert_close(output.logits, golden.expected[f"{variant}.mixed.train.logits"], atol=1e-4, rtol=0)
        after = {n: v for n, v in golden.expected.items() if n.startswith(f"{variant}.mixed.train.after.")}
        for name, value in after.items():
            own = model.get_buffer(name_here(name.partition("after.")[2], model))
            torch.testing.assert_close(own, value, atol=TOLERANCE, rtol=TOLERANCE)


@torch.inference_mode()
def test_golden_predictions(golden):
    """As published NA takes one of a pair's three places."""
    relations = golden.json["num_classes"] - 1
    logits = golden.expected["a.mixed.logits"]
    expected = golden.expected["a.mixed.predictions"][:, 1:].bool()
    assert torch.equal(build("balanced_softmax", relations, na_takes_a_place=True).decide(logits, 3), expected)
    relations_only = build("balanced_softmax", relations).decide(logits, 3)
    assert not torch.equal(relations_only, expected) and (relations_only | ~expected).all()


REPAIRS = [
    {},
    {"padding": "zeros"},
    {"padding": "cut"},
    {"norm_over": "real_cells"},
    {"padding": "cut", "norm_over": "real_cells"},
]


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("repairs", REPAIRS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_slow_reference(seed, repairs, training):
    """Logits and gradients, with documents of several sizes in a batch: with one entity, more than the map's side, and
    two windows."""
    torch.manual_seed(seed)
    parameters = {"head_size": 16, "block_size": 4, "map_features": 10, "width": 6, "map_size": 9}
    fast = MODELS.build("docunet", parameters | repairs, Encoder(tiny_encoder()), RELATIONS + 1)
    sizes = dict(emb_size=16, block_size=4, out=10, width=6, side=9, any_size=True)
    published = slow.DocuNet(tiny_config(), RELATIONS + 1, **sizes, **repairs)
    sharpen(published.model)
    load(fast, published.state_dict())
    fast.train(training), published.double().train(training)
    for documents in random_batches(seed):
        fast.zero_grad(), published.zero_grad()
        made = batch_of(documents, fast, RELATIONS)
        logits, expected = fast(made).logits, published(documents).logits
        torch.testing.assert_close(logits.double(), expected, atol=TOLERANCE, rtol=TOLERANCE)
        loss = build("atl", RELATIONS)
        loss(ModelOutput(logits), made.labels).backward()
        loss(ModelOutput(expected), made.labels).backward()
        assert_gradients(fast, published)
    for name, value in published.named_buffers():
        if "running" in name:
            own = fast.get_buffer(name_here(name, fast))
            torch.testing.assert_close(own.double(), value, atol=TOLERANCE, rtol=TOLERANCE)


def test_a_step_without_entities_leaves_the_statistics(monkeypatch):
    """With norm_over=real_cells there is no cell to take them of; NaN would stay in them for good."""
    torch.manual_seed(0)
    parameters = {"head_size": 8, "block_size": 4, "width": 4, "norm_over": "real_cells"}
    model = MODELS.build("docunet", parameters, Encoder(tiny_encoder()), RELATIONS + 1).train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    document = Document([2, 5, 6, 7, 8, 3], [], [], torch.zeros(0, RELATIONS, dtype=torch.bool))
    model(batch_of([document], model, RELATIONS)).logits.sum().backward()
    assert all(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_no_pairs_and_no_entities():
    torch.manual_seed(0)
    model = MODELS.build(
        "docunet", {"head_size": 8, "block_size": 4, "width": 4}, Encoder(tiny_encoder()), RELATIONS + 1
    )
    for mentions in ([], [[[2, 3]]]):
        document = Document([2, 5, 6, 7, 8, 3], mentions, [], torch.zeros(0, RELATIONS, dtype=torch.bool))
        logits = model(batch_of([document], model, RELATIONS)).logits
        assert logits.shape == (0, RELATIONS + 1)
        logits.sum().backward()
