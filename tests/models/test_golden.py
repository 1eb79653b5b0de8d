"""ATLOP, with weights of published names, gives the golden logits: always those of the slow reference, and if ../shared
exists those of an implementation independent of this project."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features
from docre.models import MODELS, Encoder

WAYS = {"atlop_last_layer": 1, "mean_of_last_3_layers": 3}
BATCHES = ["short", "one_window_edge", "long_two_windows", "truncated_mentions"]


@pytest.fixture(scope="module", params=["fixture", "shared"])
def folder(request, fixtures) -> Path:
    return fixtures / "atlop" if request.param == "fixture" else request.getfixturevalue("shared") / "golden" / "atlop"


@pytest.fixture(scope="module")
def golden(folder):
    return json.loads((folder / "atlop.json").read_text())


@pytest.fixture(scope="module")
def weights(folder):
    return load_file(folder / "atlop.safetensors")


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "padded"])
@pytest.mark.parametrize("batch_name", BATCHES)
@pytest.mark.parametrize("way", WAYS)
def test_golden_logits(golden, weights, way, batch_name, packed):
    config = BertConfig(**golden["bert_config"])
    encoder = Encoder(BertModel(config), averaged_layers=WAYS[way])
    if not packed:
        encoder.packed = False
        encoder.backbone.set_attn_implementation("eager")
    parameters = {"head_size": golden["emb_size"], "block_size": golden["block_size"]}
    model = MODELS.build("atlop", parameters, encoder, golden["num_classes"]).eval()
    renamed = {name.replace("model.", "encoder.backbone.", 1): value for name, value in weights.items()}
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert not missing and all("pooler" in name or "position_ids" in name for name in unexpected)

    case = golden["batches"][batch_name]
    documents = [document(*parts) for parts in zip(case["input_ids"], case["entity_pos"], case["pairs"], strict=True)]
    plan = WindowPlan(encoder.max_length, (config.cls_token_id,), (config.sep_token_id,))
    with torch.inference_mode():
        logits = model(Collator(plan, golden["num_classes"] - 1)(documents)).logits
    expected = torch.tensor(case["expected"][way]["logits"])
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def document(input_ids, entity_pos, pairs) -> Features:
    """Features of a golden document, whose spans do not count [CLS]."""
    spans = [(start + 1, end + 1, e) for e, mentions in enumerate(entity_pos) for start, end in mentions]
    kept = np.array([s for s in spans if s[0] < len(input_ids) - 1], dtype=np.int64).reshape(-1, 3)
    pairs = np.array(pairs, dtype=np.int64)
    contexts, pair_context = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    return Features(
        title="",
        input_ids=np.array(input_ids),
        mentions=kept[:, :2],
        mention_entity=kept[:, 2],
        num_entities=len(entity_pos),
        pairs=pairs,
        contexts=contexts,
        pair_context=pair_context.reshape(-1),
        labels=None,
        token_sentence=np.zeros(len(input_ids), dtype=np.int64),
        num_sentences=1,
        evidence=np.empty((0, 2), dtype=np.int64),
        cut_mentions=len(spans) - len(kept),
    )
