"""DREEAM against ../shared/golden/dreeam: logits, attention, evidence, losses and gradients, and fusion."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features
from docre.inference.methods import INFERENCES, PairScores
from docre.inference.methods.decision import predicted_evidence
from docre.inference.methods.excerpt import evidence_excerpts
from docre.inference.methods.fusion import PLACES, place_scores
from docre.losses import build
from docre.models import MODELS, Encoder
from docre.tensors import Batch
from docre.terms import TERMS
from docre.terms.evidence import sum_by_sentence
from docre.training.objective import Objective
from tests.models.published.held_values import Golden
from tests.models.published.padded import Document
from tests.models.translate import features_of, load, name_here


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "dreeam")


@pytest.fixture(scope="module")
def model(golden):
    given = golden.json
    encoder = Encoder(BertModel(BertConfig(**given["bert_config"])), given["averaged_layers"])
    parameters = {"head_size": given["emb_size"], "block_size": given["block_size"]}
    model = MODELS.build("dreeam", parameters, encoder, given["num_classes"])
    weights = golden.weights("encoder", "dreeam")
    pooler = {name: value for name, value in encoder.backbone.state_dict().items() if "pooler" in name}
    load(model, weights | {f"model.{name}": value for name, value in pooler.items()})
    return model.eval()


def batch_of(golden: Golden, features: list[Features]) -> Batch:
    config = golden.json["bert_config"]
    plan = WindowPlan(config["max_position_embeddings"], (config["cls_token_id"],), (config["sep_token_id"],))
    return Collator(plan, golden.json["num_classes"] - 1)(features)


def batches(golden: Golden) -> dict[str, Batch]:
    given = golden.json["batches"]
    documents = {name: Document.batch(batch, golden.json["num_classes"]) for name, batch in given.items()}
    return {name: batch_of(golden, features_of(batch)) for name, batch in documents.items()}


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected.to(found.dtype), atol=1e-4, rtol=0)


def test_outputs(golden, model):
    for name, batch in batches(golden).items():
        with torch.inference_mode():
            output = model(batch, frozenset({"attention"}))
        expected = {key.partition(".")[2]: x for key, x in golden.expected.items() if key.startswith(f"{name}.")}
        close(output.logits, expected["logits"])
        of_pair = output.attention[batch.pair_context]
        # the golden files pad to their own widths
        width = min(of_pair.shape[1], expected["token_importance"].shape[1])
        close(of_pair[:, :width], expected["token_importance"][:, :width])
        by_sentence = sum_by_sentence(output.attention, batch)[batch.pair_context]
        width = min(by_sentence.shape[1], expected["evidence_scores"].shape[1])
        close(by_sentence[:, :width], expected["evidence_scores"][:, :width])
        found = predicted_evidence(output, batch, golden.json["evidence_threshold"])
        limit = golden.json["max_sentences"]  # published: only the first 25 sentences can be predicted
        width = min(found.shape[1], expected["evidence_predicted"].shape[1], limit)
        near = ((by_sentence[:, :width] - 0.2).abs() < 1e-5).any(1)
        assert torch.equal(found[~near, :width], expected["evidence_predicted"][~near, :width].bool())


def test_losses_and_gradients(golden, model):
    made = batches(golden)
    checked = 0
    for name, expected in golden.json["losses"].items():
        batch_name, _, kind = name.partition(".")
        batch = made[batch_name]
        term = "attention" if kind == "self_training" else "evidence"
        if kind == "self_training":
            importance = golden.expected[f"{batch_name}.teacher_importance"]
            first = [int((batch.pair_context == c).nonzero()[0]) for c in range(len(batch.context_first))]
            batch = Batch(**{**vars(batch), "targets": {"attention": importance[first]}})
        weight = {"supervised": 0.1, "self_training": 1.0, "evidence_only": 1.0}[kind]
        objective = Objective(model, build("atl", golden.json["num_classes"] - 1))
        objective.terms[term] = TERMS.build(term, {})
        objective.weighted[term] = SimpleNamespace(weight=weight, from_epoch=1)
        model.zero_grad()
        total, (loss, value) = objective(batch)
        if kind == "evidence_only":
            total = (
                total
                - objective(batch)[0].detach() * 0
                - build("atl", golden.json["num_classes"] - 1)(model(batch), batch.labels)
            )
        else:
            assert loss.item() == pytest.approx(expected["rel_loss"], rel=1e-4)
            assert total.item() == pytest.approx(expected.get("total", expected["rel_loss"]), rel=1e-4)
        term_loss = expected["attn_loss" if term == "attention" else "evi_loss"]
        # published: NaN without a pair that has a relation; here the term is 0 then, and the loss trains as usual
        assert value.item() == (0 if term_loss is None else pytest.approx(term_loss, rel=1e-4))
        total.backward()
        norms = {name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None}
        assert all(math.isfinite(norm) for norm in norms.values())
        if term_loss is None:
            model.zero_grad()
            build("atl", golden.json["num_classes"] - 1)(model(batch), batch.labels).backward()
            alone = {name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None}
            assert norms.keys() == alone.keys()
            for name, norm in alone.items():  # that of a key's bias is zero in exact arithmetic
                tolerance = 1e-5 if name.endswith("key.bias") else 1e-7
                assert norms[name] == pytest.approx(norm, rel=1e-4, abs=tolerance), name
        for published, norm in expected.get("grad_norm", {}).items():
            if norm is not None and "key.bias" not in published:  # whose gradient is zero in exact arithmetic
                assert norms[name_here(published, model)] == pytest.approx(norm, rel=1e-4, abs=1e-5), published
                checked += 1
    assert checked > 100


class Predictor(SimpleNamespace):
    """What an inference asks of a predictor, on golden documents."""

    predicts_evidence = True

    def run_model(self, features, handle, task, wanted=frozenset(), progress=False):
        for i in range(0, len(features), 3):
            group = features[i : i + 3]
            batch = batch_of(self.golden, group)
            with torch.inference_mode():
                output = self.model(batch, wanted)
            document = np.repeat(np.arange(i, i + len(group)), [len(f.pairs) for f in group])
            handle(document, np.concatenate([np.arange(len(f.pairs)) for f in group]), output, batch)


@pytest.fixture(scope="module")
def predictor(golden, model):
    relations = golden.json["num_classes"] - 1
    return Predictor(
        golden=golden,
        model=model,
        loss=build("atl", relations),
        schema=SimpleNamespace(relations=range(relations)),
        config=SimpleNamespace(evaluation=SimpleNamespace(evidence_threshold=golden.json["evidence_threshold"])),
    )


def fusion_documents(golden: Golden, split: str) -> list[Features]:
    given = golden.json["fusion"][split]["documents"]
    return features_of([Document.of(d, golden.json["num_classes"]) for d in given])


def test_excerpts(golden, predictor):
    """The same pseudo documents as published, tokens, entities and pairs, in some order."""
    given = golden.json["fusion"]["dev"]
    found, expected = [], []
    for document in fusion_documents(golden, "dev"):
        (reading,) = INFERENCES.build("fusion", {})._read(predictor, [document])
        for part in evidence_excerpts(document, reading.evidence):
            pairs = sorted(tuple(p) for p in document.pairs[part.pair].tolist())
            mentions = sorted((part.features.mentions[:, 0] - 1).tolist())
            found.append((document.title, part.features.input_ids.tolist(), mentions, pairs))
    for p in given["pseudo_documents"]:
        pairs = sorted((p["entities"][h], p["entities"][t]) for h, t in p["pairs"])
        mentions = sorted(span[0] for spans in p["entity_pos"] for span in spans)
        expected.append((p["title"], p["input_ids"], mentions, pairs))
    assert sorted(found) == sorted(expected) and len(found) > 3


def test_fusion(golden, predictor):
    """The threshold that is fitted on dev, and the triples that it gives on test."""
    fusion = INFERENCES.build("fusion", {})
    dev = fusion_documents(golden, "dev")
    gold = golden.json["fusion"]["dev"]["gold_triples"]
    for i, d in enumerate(dev):
        pair = {tuple(p): n for n, p in enumerate(d.pairs.tolist())}
        labels = [(pair[h, t], r - 1) for title, h, t, r in gold if title == d.title]
        dev[i] = Features(**{**vars(d), "labels": np.array(labels).reshape(-1, 2)})
    fusion.fitted = fusion.fit(predictor, dev)
    assert fusion.fitted["threshold"] == pytest.approx(golden.json["fusion"]["dev"]["threshold"], abs=1e-4)
    for split in ("dev", "test"):
        features, fused = fusion_documents(golden, split), []
        if split == "dev":
            inclusive = INFERENCES.build("fusion", {})  # on dev the candidate at the threshold counts
            inclusive.fitted = {"threshold": float(np.nextafter(np.float32(fusion.fitted["threshold"]), -np.inf))}

        def keep(document, pair, found: PairScores, features=features, fused=fused):
            for row, relation in found.predicted.nonzero().tolist():
                d = features[document[row]]
                fused.append([d.title, *d.pairs[pair[row]].tolist(), relation + 1])
            assert torch.equal(found.margins > 0, found.predicted)

        (inclusive if split == "dev" else fusion).score(predictor, features, keep, "x")
        assert sorted(fused) == golden.json["fusion"][split]["fused"]


def test_scores_of_places():
    """By hand: four columns of six, with TH among them and not."""
    loss = build("atl", 5)
    logits = torch.tensor([[5.0, 1, 2, 3, 4, 0], [-9.0, 1, 2, 3, 4, 0]])
    assert PLACES == 4
    nan = torch.nan
    expected = torch.tensor([[nan, -3, -2, -1, nan], [1, 2, 3, 4, nan]])
    torch.testing.assert_close(place_scores(loss, logits, False), expected, equal_nan=True)
    expected = torch.tensor([[nan, -3, -2, -1, nan], [10, 11, 12, 13, nan]])
    torch.testing.assert_close(place_scores(loss, logits, True), expected, equal_nan=True)
    zero = place_scores(build("balanced_softmax", 5), logits[:, :6], False)
    assert zero.shape == (2, 5) and int((~zero.isnan()).sum()) == 8


def test_a_triple_that_one_reading_scores(golden, predictor):
    """Loses 10; both readings predict it: accepted whatever the threshold."""
    fusion = INFERENCES.build("fusion", {"predicted_only": True})
    documents = fusion_documents(golden, "test")
    for document, blend in zip(documents, fusion._blend(predictor, documents, "x", False), strict=True):
        whole = blend.whole.scores
        (alone,) = fusion._read_excerpts(predictor, [document], [blend.whole])
        for name, mask in {
            "whole": ~np.isnan(whole) & np.isnan(alone),
            "both": ~np.isnan(whole) & ~np.isnan(alone),
            "alone": np.isnan(whole) & ~np.isnan(alone),
        }.items():
            expected = {"whole": whole - 10, "both": whole + alone, "alone": alone - 10}[name]
            np.testing.assert_allclose(blend.scores[mask], expected[mask], atol=1e-5)
        assert np.array_equal(blend.both, (whole > 0) & (alone > 0))
