"""The losses equal golden values from independent implementations: a few always, all of them if ../shared exists."""

import json
from pathlib import Path

import pytest
import torch

from docre.losses import LOSSES, build
from docre.losses.pemscl import contrastive_term
from docre.tensors import ModelOutput
from tests.losses import golden


@pytest.fixture(params=["fixture", "shared"])
def path(request: pytest.FixtureRequest, fixtures: Path) -> Path:
    if request.param == "fixture":
        return fixtures / "losses.json"
    return request.getfixturevalue("shared") / "golden" / "losses.json"


@pytest.mark.parametrize("name", list(LOSSES))
def test_value_and_gradient(name: str, path: Path) -> None:
    found = [entry for entry in golden.values(path) if entry.loss == name]
    if not found:
        pytest.skip(f"{path.name} holds no value for {name!r}")
    for entry in found:
        logits = entry.logits.clone().requires_grad_()
        loss = build(name, entry.labels.shape[1], **entry.parameters)
        value = loss(ModelOutput(logits[:, entry.columns]), entry.labels)
        value.backward()
        assert value.item() == pytest.approx(entry.value, rel=1e-6), entry.where
        # Golden gradients are rounded to 8 decimals.
        error = (logits.grad - entry.grad).abs().max() / entry.grad.abs().max()
        assert error < 1e-6, entry.where


def test_every_golden_loss_is_registered(path: Path) -> None:
    assert {entry.loss for entry in golden.values(path)} <= set(LOSSES)


def test_decisions(path: Path) -> None:
    entries = list(golden.decisions(path))
    assert len(entries) > 10
    for entry in entries:
        loss = build(entry.loss, entry.predicted.shape[1], **entry.parameters)
        assert torch.equal(loss.decide(entry.logits, entry.top_k), entry.predicted), (entry.loss, entry.top_k)


def test_contrastive_term(path: Path) -> None:
    case = json.loads(path.read_text())["pemscl_contrastive"]
    labels = golden.tensor(case["labels"])[:, 1:].bool()
    anchors = labels.any(1).nonzero().squeeze(1)
    for entry in case["losses"].values():
        features = golden.tensor(case["features"]).requires_grad_()
        temperatures = entry["params"]["tau"], entry["params"]["tau_base"]
        value = contrastive_term(features[anchors] @ features.T, anchors, labels, *temperatures)
        value.backward()
        assert value.item() == pytest.approx(entry["value"], rel=1e-6)
        grad = golden.tensor(entry["grad"])
        assert (features.grad - grad).abs().max() / grad.abs().max() < 1e-6
