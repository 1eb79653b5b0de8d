"""TTM-RE's reference against all of ../shared/golden/ttm_re, in float64.

Compared: the logits of every batch as published and of both repairs, alone and together; of `mixed` the logits with
each document as a batch of its own, context, head and tail before and after the memory module, summary, the memory that
the write would leave, and some gradients in full; the loss of every batch with both settings, with the gradient norm of
every parameter where they are given. SSR-PU is docre's own loss, its priors raised by 1e-9 as published.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertConfig

from docre.losses import build
from docre.tensors import ModelOutput
from tests.models.published.held_values import POOLER, Golden, gradients, hold
from tests.models.published.padded import Document
from tests.models.published.ttm_re import CHUNK, TTMRE

VARIANTS = {
    "logits": {},
    "logits_within_pair": {"within_pair": True},
    "logits_two_extractors": {"two_extractors": True},
    "logits_within_pair_two_extractors": {"within_pair": True, "two_extractors": True},
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "ttm_re")


def build_model(golden: Golden, **repairs: bool) -> TTMRE:
    """The model of the golden values."""
    given = golden.json
    assert (given["process_size"], given["chunk"]) == (2, CHUNK)
    memory = tuple(given[f"memory_{name}"] for name in ("size", "layers", "heads", "feedforward"))
    sizes = given["num_classes"], given["emb_size"], given["block_size"]
    model = TTMRE(BertConfig(**given["bert_config"]), *sizes, memory, **repairs)
    model.load_state_dict(golden.weights("encoder", "ttm_re"))
    return model.double().eval()


def batches(golden: Golden) -> dict[str, list[Document]]:
    return {name: Document.batch(given, golden.json["num_classes"]) for name, given in golden.json["batches"].items()}


def test_logits(golden: Golden) -> None:
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for variant, repairs in VARIANTS.items():
            model = build_model(golden, **repairs)
            for name, documents in batches(golden).items():
                found[f"{name}.{variant}"] = model(documents).logits
    mixed = {name for name in golden.expected if name.startswith("mixed.") and name not in found}  # see below
    hold(found, {name: value for name, value in golden.expected.items() if name not in mixed})


def test_mixed(golden: Golden) -> None:
    model = build_model(golden)
    documents = batches(golden)["mixed"]
    with torch.no_grad():
        out = model(documents)
        found = {f"mixed.{name}": getattr(out, name) for name in vars(out) if name != "logits"}
        found["mixed.logits_alone"] = torch.cat([model([document]).logits for document in documents])
        found["mixed.memory_after_write_pair0"] = model.write(out, pair=0)
    expected = {name: value for name, value in golden.expected.items() if name.startswith("mixed.")}
    hold(found, {n: v for n, v in expected.items() if ".grad." not in n and n.split(".")[1] not in VARIANTS})


def test_losses(golden: Golden) -> None:
    model = build_model(golden)
    losses: dict[str, Any] = {}
    grads: dict[str, Tensor | None] = {}
    for name, documents in batches(golden).items():
        logits = model(documents).logits
        labels = torch.cat([document.labels for document in documents])
        for margin, ratio in ((1.0, 1.0), (0.25, 3.0)):
            settings = {"margin": margin, "prior_ratio": ratio, "factor": 1.0}
            priors = [prior + 1e-9 for prior in golden.json["priors"]]
            loss = build("ssr_pu", labels.shape[1], priors=priors, **settings)(ModelOutput(logits), labels)
            case = f"{name}.m{margin:g}_e{ratio:g}"
            losses[case] = {"loss": loss.item()} | settings
            if "grad_norm" in golden.json["losses"][case]:
                norms, full = gradients(model, loss, group, POOLER)
                losses[case] |= norms
                if case == "mixed.m1_e1":
                    grads = {f"mixed.grad.{parameter}": grad for parameter, grad in full.items()}
    hold(losses, golden.json["losses"])
    expected = {name: value for name, value in golden.expected.items() if ".grad." in name}
    hold({name: grads[name] for name in expected}, expected)


def group(parameter: str) -> str:
    """The optimizer group of a parameter: the memory module has the encoder's learning rate."""
    return "added" if parameter.split(".")[0] in ("head_extractor", "tail_extractor", "bilinear") else "encoder"
