"""KD-DocRE: the golden values of the published implementation, and its slow reference on random documents."""

import pytest
import torch
from torch.nn.functional import pad
from transformers import BertConfig, BertModel

from docre.losses import build
from docre.models import MODELS, Encoder, kd_docre
from docre.tensors import ModelOutput
from tests.models.published import kd_docre as slow
from tests.models.published.held_values import Golden
from tests.models.published.padded import Document
from tests.models.published.random_documents import RELATIONS, random_batches, tiny_config, tiny_encoder
from tests.models.translate import assert_gradient_norms, assert_gradients, batch_of, load
from tests.tiny import sharpen

TOLERANCE = 1e-4
BATCHES = {"layers2": ["mixed", "one", "cut", "long", "full", "over"], "layers6": ["mixed", "one", "cut", "long"]}


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "kd_docre")


def build_model(golden, variant, **changes):
    values = golden.json
    config = BertConfig(**values["bert_config"], hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    parameters = {
        "head_size": values["emb_size"],
        "block_size": values["block_size"],
        "axial_layers": values["variants"][variant]["axial_layers"],
        "axial_heads": values["axial_heads"],
        "map_size": values["map_size"],
    }
    model = MODELS.build("kd_docre", parameters | changes, Encoder(BertModel(config)), values["num_classes"])
    load(model, golden.weights("encoder", "kd_docre"))
    return model.eval()


def off_diagonal(document):
    """The numbers of a document's pairs without those of an entity with itself."""
    return [i for i, (head, tail) in enumerate(document.pairs) if head != tail]


def pairs_of(cells, documents):
    """The rows of pairs h != t, of rows for all cells."""
    parts = cells.split([len(d.pairs) for d in documents])
    return torch.cat([part[off_diagonal(d)] for part, d in zip(parts, documents, strict=True)])


@torch.inference_mode()
@pytest.mark.parametrize(("variant", "name"), [(v, n) for v, names in BATCHES.items() for n in names])
def test_golden_logits(golden, variant, name):
    values = golden.json
    model = build_model(golden, variant, map_size=values["batches"][name].get("map_size", values["map_size"]))
    documents = golden.documents(name)
    logits = model(batch_of(documents, model, golden.json["num_classes"] - 1)).logits
    expected = pairs_of(golden.expected[f"{variant}.{name}.logits"], documents)
    torch.testing.assert_close(logits, expected, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("variant", BATCHES)
def test_golden_logits_without_padding(golden, variant):
    """They are the same in training and in evaluation."""
    model, documents = build_model(golden, variant, padded=False), golden.documents("mixed")
    expected = pairs_of(golden.expected[f"{variant}.mixed.logits_unpadded"], documents)
    for mode in (False, True):
        logits = model.train(mode)(batch_of(documents, model, golden.json["num_classes"] - 1)).logits
        torch.testing.assert_close(logits, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("case", ["eval", "train", "train_dropped", "distil"])
@pytest.mark.parametrize("variant", BATCHES)
def test_golden_losses_and_gradients(golden, variant, case, monkeypatch):
    documents, relations = golden.documents("mixed"), golden.json["num_classes"] - 1
    model = build_model(golden, variant, drop_prob=0.3 if case == "train_dropped" else 0.0).train(case != "eval")
    monkeypatch.setattr(kd_docre, "dropped_cells", lambda *_: golden_drops(golden, documents))
    made = batch_of(documents, model, relations)
    logits = model(made).logits
    rows = model.loss_rows(len(logits), sum(made.entity_counts))
    diagonal = rows - len(logits)
    assert diagonal == sum(len(d.mentions) for d in documents)
    output = ModelOutput(pad(logits, (0, 0, 0, diagonal)))
    numbers = {"loss": build("afl", relations)(output, pad(made.labels, (0, 0, 0, diagonal)))}
    if case == "distil":
        teacher = pairs_of(golden.expected["mixed.teacher_logits"], documents)
        mse = (logits - teacher).square().sum() / (rows * logits.shape[1])
        numbers = {"afl": numbers["loss"], "mse": mse, "loss": numbers["loss"] + mse}
    numbers["loss"].backward()
    expected = golden.json["losses"][f"{variant}.mixed.{case}"]
    for name, value in numbers.items():
        assert value.item() == pytest.approx(expected[name], rel=TOLERANCE)
    assert_gradient_norms(model, expected["grad_norm"])
    if case in ("train", "train_dropped"):
        golden_logits = golden.expected[f"{variant}.mixed.logits_{case}"]
        torch.testing.assert_close(logits, pairs_of(golden_logits, documents), atol=TOLERANCE, rtol=0)


def golden_drops(golden, documents):
    """bool [cells] of all documents."""
    drops = [torch.zeros(len(d.mentions) ** 2, dtype=torch.bool) for d in documents]
    for drop, cells in zip(drops, golden.json["dropped_pairs"], strict=True):
        drop[cells] = True
    return torch.cat(drops)


@torch.inference_mode()
def test_golden_representation(golden):
    model, documents = build_model(golden, "layers2"), golden.documents("mixed")
    made = batch_of(documents, model, golden.json["num_classes"] - 1)
    plain, output = model(made), model(made, frozenset({"representation", "attention", "something else"}))
    assert not plain.auxiliaries and plain.attention is None and output.auxiliaries.keys() == {"representation"}
    found = output.auxiliaries["representation"].split(made.pair_counts)
    for d in (0, 1):
        n = len(documents[d].mentions)
        expected = golden.expected[f"layers2.mixed.document{d}.classifier_input"][:n, :n]
        torch.testing.assert_close(found[d], expected.flatten(0, 1)[off_diagonal(documents[d])], atol=1e-4, rtol=0)


REPAIRS = [{}, {"padded": False}, {"drop_prob": 0.5}]


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("repairs", REPAIRS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_slow_reference(seed, repairs, training):
    """Logits and gradients, with documents of several sizes in a batch: with one entity, more than the map's side, and
    two windows; whichever pairs are candidates."""
    torch.manual_seed(seed)
    parameters = {"head_size": 16, "block_size": 4, "axial_layers": 3, "axial_heads": 2, "map_size": 9}
    fast = MODELS.build("kd_docre", parameters | repairs, Encoder(tiny_encoder()), RELATIONS + 1)
    padded = repairs.get("padded", True)
    sizes = dict(emb_size=16, block_size=4, axial_layers=3, axial_heads=2, side=9, padded=padded, any_size=True)
    published = slow.KDDocRE(tiny_config(), RELATIONS + 1, **sizes)
    sharpen(published.model)
    load(fast, published.state_dict())
    fast.train(training), published.double().train(training)
    for documents in random_batches(seed):
        fast.zero_grad(), published.zero_grad()
        made = batch_of(documents, fast, RELATIONS)
        counts = [n * n for n in made.entity_counts]
        drops = [part.nonzero()[:, 0].tolist() for part in kd_docre.dropped_cells(made, 0.5).split(counts)]
        dropped = drops if "drop_prob" in repairs else None
        logits, steps = fast(made).logits, published(documents, dropped)
        expected = torch.cat([listed(s.logits, d) for s, d in zip(steps, documents, strict=True)])
        torch.testing.assert_close(logits.double(), expected, atol=TOLERANCE, rtol=TOLERANCE)
        loss = build("atl", RELATIONS)
        loss(ModelOutput(logits), made.labels).backward()
        loss(ModelOutput(expected), made.labels).backward()
        assert_gradients(fast, published)


def listed(cells, document):
    """The rows of a document's pairs, of rows for all its cells."""
    return cells[[h * len(document.mentions) + t for h, t in document.pairs]]


def test_dropped_cells():
    """A share of the cells without a relation, the same ones whenever the document is met."""
    model = MODELS.build("kd_docre", {"head_size": 8, "block_size": 4}, Encoder(tiny_encoder()), RELATIONS + 1)
    (documents, _) = random_batches(3)
    alone, both = batch_of(documents[:1], model, RELATIONS), batch_of(documents * 30, model, RELATIONS)
    drops = kd_docre.dropped_cells(both, 0.25)
    cells = alone.entity_counts[0] ** 2
    assert torch.equal(drops[:cells], kd_docre.dropped_cells(alone, 0.25))
    related = kd_docre.pair_cells(both, both.entity_counts)[both.labels.any(1)]
    assert not drops[related].any()
    assert 0.22 < drops.sum() / (len(drops) - len(related)) < 0.28


def test_diagonal_in_loss():
    for repaired in (False, True):
        parameters = {"head_size": 8, "block_size": 4, "diagonal_in_loss": not repaired}
        model = MODELS.build("kd_docre", parameters, Encoder(tiny_encoder()), RELATIONS + 1)
        assert model.loss_rows(12, 4) == (12 if repaired else 16)


@pytest.mark.parametrize("training", [False, True])
def test_no_pairs_and_no_entities(training):
    model = MODELS.build("kd_docre", {"head_size": 8, "block_size": 4}, Encoder(tiny_encoder()), RELATIONS + 1)
    for mentions in ([], [[[2, 3]]]):
        document = Document([2, 5, 6, 7, 8, 3], mentions, [], torch.zeros(0, RELATIONS, dtype=torch.bool))
        logits = model.train(training)(batch_of([document], model, RELATIONS)).logits
        assert logits.shape == (0, RELATIONS + 1)
        logits.sum().backward()
