"""DREEAM's reference against all of ../shared/golden/dreeam, in float64.

Compared, of every batch: logits, context, token importance, sentence importance, predicted evidence and relations; the
losses (supervised, evidence alone, self-training from the teacher's importance) with the gradient norm of every
parameter, and the gradients that are given in full. Fusion on dev and test: the highest columns with their scores and
evidence, the pseudo documents (tokens, spans, entities), their highest columns, what is predicted before fusion, the
threshold, the fused triples, what the published code makes of them where it knows the gold labels, and all scores.
Golden values do not show the score of a pair whose highest columns lack TH, nor the 10 that is taken off a triple that
only one side scores: these are checked by hand.
ATL is docre's own loss.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertConfig

from docre.losses import build
from docre.tensors import ModelOutput
from tests.models.published.dreeam import (
    DREEAM,
    Output,
    evidence_loss,
    predicted_evidence,
    self_training_loss,
)
from tests.models.published.dreeam_fusion import (
    Scored,
    accept,
    best_threshold,
    blend,
    highest_columns,
    pseudo_documents,
)
from tests.models.published.held_values import POOLER, TOLERANCE, Golden, gradients, hold
from tests.models.published.padded import Document, highest_above_threshold


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "dreeam")


@pytest.fixture(scope="module")
def model(golden: Golden) -> DREEAM:
    """The model of the golden values."""
    sizes = [golden.json[name] for name in ("num_classes", "emb_size", "block_size", "averaged_layers")]
    model = DREEAM(BertConfig(**golden.json["bert_config"]), *sizes)
    model.load_state_dict(golden.weights("encoder", "dreeam"))
    return model.double().eval()


def test_batches(golden: Golden, model: DREEAM) -> None:
    tensors: dict[str, Tensor | None] = {}
    losses: dict[str, Any] = {}
    for name, given in golden.json["batches"].items():
        documents = Document.batch(given, golden.json["num_classes"])
        out = model(documents)
        tensors |= {
            f"{name}.logits": out.logits,
            f"{name}.context": out.context,
            f"{name}.token_importance": out.token_importance,
            f"{name}.evidence_scores": out.sentence_importance,
            f"{name}.evidence_predicted": predicted_evidence(
                out.sentence_importance, golden.json["evidence_threshold"], golden.json["max_sentences"]
            ),
            f"{name}.relations_predicted": highest_above_threshold(out.logits, golden.json["top_k"]),
        }
        labels = torch.cat([document.labels for document in documents])
        rel = build("atl", labels.shape[1])(ModelOutput(out.logits), labels)
        evi = evidence_loss(out.sentence_importance, documents)
        terms: dict[str, Any] = {"rel_loss": rel.item(), "evi_loss": evi.item(), "evi_lambda": 0.1}
        losses[f"{name}.supervised"] = terms
        if name == "no_relations":
            continue
        norms, grads = gradients(model, rel + 0.1 * evi, group, POOLER)
        terms |= {"total": (rel + 0.1 * evi).item()} | norms
        if name == "mixed":
            tensors |= {f"supervised.grad.{name}": grad for name, grad in grads.items()}
            norms, _ = gradients(model, evi, group, POOLER)
            losses["mixed.evidence_only"] = {"evi_loss": evi.item()} | norms
        if f"{name}.self_training" in golden.json["losses"]:
            teacher = golden.expected[f"{name}.teacher_importance"].double()
            attn = self_training_loss(out.token_importance, teacher)
            norms, _ = gradients(model, rel + attn, group, POOLER)
            terms = {"rel_loss": rel.item(), "attn_loss": attn.item(), "attn_lambda": 1.0, "total": (rel + attn).item()}
            losses[f"{name}.self_training"] = terms | norms
    hold(losses, golden.json["losses"])
    expected = {name: value for name, value in golden.expected.items() if "teacher" not in name}
    tensors = {k: v for k, v in tensors.items() if ".grad." not in k or k in expected}
    hold(tensors, expected)


@torch.no_grad()
def test_fusion(golden: Golden, model: DREEAM) -> None:
    threshold = 0.0
    for split in ("dev", "test"):
        given = golden.json["fusion"][split]
        gold = {tuple(triple) for triple in given["gold_triples"]}
        documents = [Document.of(document, golden.json["num_classes"]) for document in given["documents"]]
        topk = [entry for document in documents for entry in highest_columns(document, model([document]))]
        pseudo = [p for document in documents for p in pseudo_documents(document, topk)]
        pseudo_topk: list[Scored] = []
        for p in pseudo:
            for title, head, tail, column, score, evidence in highest_columns(p.document, model([p.document])):
                pseudo_topk.append((title, p.entities[head], p.entities[tail], column, score, evidence))
        blended = blend(topk, pseudo_topk)
        before = sorted(entry[:4] for entry in topk if entry[3] != 0 and entry[4] > 0)
        found = {
            "topk": [list(entry) for entry in topk],
            "pseudo_documents": [
                {
                    "title": p.document.title,
                    "input_ids": p.document.input_ids,
                    "entity_pos": p.document.mentions,
                    "sent_pos": p.document.sentences,
                    "entities": p.entities,
                    "pairs": p.document.pairs,
                }
                for p in pseudo
            ],
            "pseudo_topk": [list(entry[:5]) for entry in pseudo_topk],
            "predicted_before_fusion": before,
        }
        scores = {"predicted_before_fusion": before}
        if split == "dev":
            threshold = found["threshold"] = best_threshold(blended, gold)
            scores["fused"] = accept(blended, threshold, inclusive=True)
        else:
            scores["fused"] = accept(blended, threshold)
            scores["fused_as_published_with_gold_labels"] = accept(blended, threshold, gold=gold)
        found |= {name: [list(triple) for triple in triples] for name, triples in scores.items()}
        found["scores"] = {name: list(precision_recall_f1(set(triples), gold)) for name, triples in scores.items()}
        expected = {name: value for name, value in given.items() if name not in ("documents", "gold_triples")}
        hold(found, expected, split, absolute=TOLERANCE)  # published scores are differences of float32 numbers


@torch.no_grad()
def test_repairs(golden: Golden, model: DREEAM) -> None:
    batches = {
        name: Document.batch(given, golden.json["num_classes"]) for name, given in golden.json["batches"].items()
    }
    many = model(batches["many_sentences"]).sentence_importance
    assert torch.equal(predicted_evidence(many, max_sentences=None), many > 0.2)

    assert evidence_loss(model(batches["no_relations"]).sentence_importance, batches["no_relations"], zero=True) == 0
    mixed = model(batches["mixed"])
    related = torch.cat([d.labels.any(1) for d in batches["mixed"]]).sum()
    evident = sum(int(d.evidence_counts.any(1).sum()) for d in batches["mixed"])
    assert evident < related  # a pair without evidence adds 0, so that leaving it out is a smaller divisor
    loss, repaired = (
        evidence_loss(mixed.sentence_importance, batches["mixed"], only_with_evidence=only) for only in (False, True)
    )
    torch.testing.assert_close(repaired * evident, loss * related)

    document = Document.of(golden.json["fusion"]["dev"]["documents"][0], golden.json["num_classes"])
    out = model([document])
    topk = highest_columns(document, out, always_against_th=True)
    for i, (_, _, _, column, score, _) in enumerate(topk):
        margin = out.logits[i // 4, column] - out.logits[i // 4, 0]
        assert score == pytest.approx(margin.item())
    predicted = [entry for entry in topk if entry[3] != 0 and entry[4] > 0]
    assert 0 < len(predicted) < len(topk)
    found, expected = pseudo_documents(document, topk, only_predicted=True), pseudo_documents(document, predicted)
    assert [p.document.input_ids for p in found] == [p.document.input_ids for p in expected]


def test_what_no_golden_value_shows() -> None:
    """A pair whose four highest columns are without TH, and triples that only one side scores."""
    logits = torch.tensor([[0.5, 2.0, 3.0, 4.0, 5.0]])
    document = Document(input_ids=[], mentions=[], pairs=[[0, 1]], labels=torch.zeros(1, 4), title="a")
    out = Output(logits, torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[0.5, 0.2]]))
    published, repaired = (highest_columns(document, out, always_against_th=always) for always in (False, True))
    assert published == [("a", 0, 1, r, r + 1 - (2 - 1), [0]) for r in (4, 3, 2, 1)]
    assert repaired == [("a", 0, 1, r, r + 1 - 0.5, [0]) for r in (4, 3, 2, 1)]

    blended = blend([("a", 0, 1, 1, 2.0, [])], [("a", 0, 1, 2, 3.0, []), ("a", 0, 1, 0, 5.0, [])])
    assert blended.accepted == [] and blended.candidates == {("a", 0, 1, 1): -8.0, ("a", 0, 1, 2): -7.0}


def precision_recall_f1(predicted: set[Any], gold: set[Any]) -> tuple[float, float, float]:
    correct = len(predicted & gold)
    return correct / len(predicted), correct / len(gold), 2 * correct / (len(predicted) + len(gold))


def group(parameter: str) -> str:
    """The optimizer group of a parameter."""
    return "encoder" if parameter.startswith("model.") else "added"
