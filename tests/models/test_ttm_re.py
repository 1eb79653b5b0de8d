"""TTM-RE has the logits, losses and gradients of its slow reference and of ../shared/golden/ttm_re, published and
repaired, in memory that grows with the number of pairs."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from docre.data.collate import Collator, WindowPlan
from docre.losses import build
from docre.models import MODELS, Encoder
from docre.models.memory import CHUNK
from docre.models.ttm_re import TTMRE
from docre.tensors import Batch
from tests.models.published.held_values import Golden
from tests.models.published.padded import Document
from tests.models.published.ttm_re import TTMRE as Reference
from tests.models.saved import saved_bytes
from tests.models.test_fast_equals_reference import BATCHES, RELATIONS, batch_of, random_features
from tests.models.translate import documents_of, features_of, gradients, load, load_reference
from tests.tiny import tiny_bert, tiny_bert_config

REPAIRS = [
    {"within_pair": within_pair, "two_extractors": two_extractors}
    for within_pair in (False, True)
    for two_extractors in (False, True)
]
every_repair = pytest.mark.parametrize(
    "repairs", REPAIRS, ids=lambda repairs: "+".join(n for n, on in repairs.items() if on) or "published"
)
SIZES = {"head_size": 16, "block_size": 4, "memory_size": 10, "layers": 2, "heads": 4}


def tiny_model(**parameters) -> TTMRE:
    torch.manual_seed(0)
    model = MODELS.build("ttm_re", SIZES | parameters, Encoder(tiny_bert()), RELATIONS + 1).eval()
    with torch.no_grad():
        for parameter in model.memory.parameters():
            parameter.mul_(3)  # so that a pair's own tokens weigh against the memory, and attention is not uniform
    return model


def reference_of(model: TTMRE, **repairs) -> Reference:
    """The reference with the weights of a model of SIZES."""
    config = tiny_bert_config(cls_token_id=2, sep_token_id=3)
    reference = Reference(config, RELATIONS + 1, 16, 4, (10, 2, 4, 16), **repairs).eval()
    load_reference(reference, model)
    return reference


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "ttm_re")


def golden_model(golden: Golden, **repairs: bool) -> TTMRE:
    given = golden.json
    parameters = {"head_size": given["emb_size"], "block_size": given["block_size"], "layers": given["memory_layers"]}
    parameters |= {"memory_size": given["memory_size"], "heads": given["memory_heads"]}
    encoder = Encoder(BertModel(BertConfig(**given["bert_config"])))
    model = MODELS.build("ttm_re", parameters | repairs, encoder, given["num_classes"]).eval()
    load(model, golden.weights("encoder", "ttm_re"))
    return model


def golden_batch(golden: Golden, name: str, one: int | None = None) -> Batch:
    """A batch of the golden values, or only one of its documents."""
    documents = features_of(Document.batch(golden.json["batches"][name], golden.json["num_classes"]))
    config = golden.json["bert_config"]
    plan = WindowPlan(512, (config["cls_token_id"],), (config["sep_token_id"],))
    return Collator(plan, golden.json["num_classes"] - 1)(documents if one is None else documents[one : one + 1])


@torch.inference_mode()
@every_repair
@pytest.mark.parametrize("batch", ["mixed", "long", "many", "cut"])
def test_golden_logits(golden, batch, repairs):
    chosen = "_".join(name for name, on in repairs.items() if on)
    expected = golden.expected[f"{batch}.logits_{chosen}" if chosen else f"{batch}.logits"]
    logits = golden_model(golden, **repairs)(golden_batch(golden, batch)).logits
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_golden_steps(golden):
    model, batch = golden_model(golden), golden_batch(golden, "mixed")
    entities, contexts = model.pool(*model.encoder(batch), batch)
    sides = [
        model._extract(model.head_extractor, entities, contexts, role, batch).flatten(1)
        for role in (batch.pair_head, batch.pair_tail)
    ]
    summary = model.memory.summary(model.memory.tokens, torch.stack(sides, dim=1))
    after = model.memory.transform(summary)
    found = {"context": contexts[batch.pair_context], "head_before": sides[0], "tail_before": sides[1]}
    found |= {"summary": summary, "head_after": after[:, 0], "tail_after": after[:, 1]}
    found["logits_alone"] = torch.cat([model(golden_batch(golden, "mixed", one)).logits for one in range(3)])
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, golden.expected[f"mixed.{name}"], atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize(("margin", "ratio"), [(1.0, 1.0), (0.25, 3.0)])
@pytest.mark.parametrize("batch", ["mixed", "long", "many", "cut"])
def test_golden_losses_and_gradients(golden, batch, margin, ratio):
    """The published priors are 1e-9 above the shares of labels, which shows for a relation without any."""
    expected = golden.json["losses"][f"{batch}.m{margin:g}_e{ratio:g}"]
    model, inputs = golden_model(golden), golden_batch(golden, batch)
    priors, settings = golden.json["priors"], {"prior_ratio": ratio, "margin": margin, "factor": 1.0}
    loss = build("ssr_pu", len(priors), priors=priors, prior_offset=1e-9, **settings)
    value = loss(model(inputs), inputs.labels)
    assert value.item() == pytest.approx(expected["loss"], rel=1e-4)
    if "grad_norm" not in expected:
        return
    value.backward()
    used = {name: norm for name, norm in expected["grad_norm"].items() if norm is not None}
    found = gradients(model, list(used))
    assert found.keys() == used.keys() and len(found) == len(list(model.parameters()))
    for name, norm in used.items():
        assert found[name].norm().item() == pytest.approx(norm, rel=1e-4, abs=1e-6 * expected["grad_norm_total"]), name
    for name, gradient in golden.expected.items():
        if name.startswith("mixed.grad.") and batch == "mixed" and (margin, ratio) == (1.0, 1.0):
            torch.testing.assert_close(found[name.removeprefix("mixed.grad.")], gradient, atol=1e-4, rtol=1e-4)


@every_repair
@pytest.mark.parametrize("name", [name for name in BATCHES if "many windows" not in name])
def test_equals_the_reference(name, repairs):
    """Logits and gradients; the largest batch has 264 pairs, so two chunks."""
    model = tiny_model(**repairs)
    reference = reference_of(model, **repairs)
    lengths, entities = BATCHES[name]
    batch = batch_of(lengths, entities)
    expected = reference(documents_of(random_features(lengths, entities), RELATIONS)).logits
    output = model(batch)
    torch.testing.assert_close(output.logits, expected, atol=1e-4, rtol=1e-4)
    loss = build("atl", RELATIONS)
    loss(output, batch.labels).backward()
    loss(type(output)(expected), batch.labels).backward()
    found = gradients(model, [name for name, _ in reference.named_parameters()])
    assert len(found) == sum(p.grad is not None for p in model.parameters())
    for parameter, own in reference.named_parameters():
        gradient = found.get(parameter)
        if own.grad is None or not own.grad.any():
            assert gradient is None or not gradient.any(), parameter
        else:
            torch.testing.assert_close(gradient, own.grad, atol=1e-4, rtol=1e-3, msg=parameter)


@torch.inference_mode()
@pytest.mark.parametrize("within_pair", [True, False])
def test_pairs_interact_as_published_and_not_when_repaired(within_pair):
    model = tiny_model(within_pair=within_pair)
    assert model.pairs_interact is not within_pair
    together = model(batch_of([30, 20], [5, 4])).logits[:20]
    alone = model(batch_of([30], [5])).logits
    assert torch.allclose(together, alone, atol=1e-5) is within_pair


@torch.inference_mode()
def test_attention_stays_within_a_chunk():
    """The first CHUNK pairs of the batch do not depend on the pairs after them."""
    model = tiny_model()
    first, second = (model(batch_of([48, n], [17, 4], seed=3)).logits[:CHUNK] for n in (20, 30))
    assert torch.allclose(first, second, atol=1e-5)
    changed = model(batch_of([20, 48], [4, 17], seed=3)).logits
    assert len(changed) > CHUNK


@every_repair
def test_memory_is_linear_in_pairs(repairs):
    """A document of 81 entities, as DWIE's largest: per pair it saves no more for the backward pass than one of 41."""
    model = tiny_model(**repairs)

    def bytes_per_pair(entities: int) -> float:
        batch = batch_of([48], [entities])
        return saved_bytes(lambda: model(batch).logits) / len(batch.pair_head)

    assert bytes_per_pair(81) < 1.1 * bytes_per_pair(41)


def test_the_memory_tokens_are_not_copied_for_each_pair():
    """Of each pair two rows are saved, whatever the size of the memory."""
    sizes = {rows: saved_bytes(lambda rows=rows: logits(tiny_model(memory_size=rows))) for rows in (10, 200)}
    assert sizes[200] - sizes[10] < 190 * 16 * 4 * 10  # 190 rows of 16 numbers, a few times


def logits(model: TTMRE) -> Tensor:
    return model(batch_of([48], [20])).logits


@pytest.mark.parametrize("name", ["head_size", "layers", "memory_size"])
def test_wrong_sizes_are_refused(name):
    from docre.errors import DocreError

    with pytest.raises(DocreError, match=name):
        tiny_model(**{name: 0})
    with pytest.raises(DocreError, match=r"model.head_size: expected a multiple of heads 3, got 16"):
        tiny_model(heads=3)
