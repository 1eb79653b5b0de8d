"""The precision of `training.precision`, and whether bf16 pays on a CPU."""

import pytest
import torch

from docre.models import precision
from docre.models.precision import resolve_precision


@pytest.mark.parametrize(
    ("seconds", "pays"), [((1.0, 0.5), True), ((1.0, 0.9), False), ((1.0, 20.0), False), ((0.5, 0.5), False)]
)
def test_bf16_pays_if_its_products_are_faster(seconds, pays, monkeypatch):
    monkeypatch.setattr(precision, "least_seconds", lambda *ways: seconds)
    precision.bf16_pays.cache_clear()
    try:
        assert precision.bf16_pays() is pays
        assert resolve_precision("auto", "cpu") == ("bf16" if pays else "fp32")
    finally:
        precision.bf16_pays.cache_clear()


def test_what_is_asked_for(monkeypatch):
    monkeypatch.setattr(precision, "bf16_pays", lambda: pytest.fail("measured without need"))
    for device, given, expected in (
        ("cpu", "fp32", "fp32"),
        ("cpu", "bf16", "bf16"),
        ("cpu", "fp16", "fp32"),
        ("mps", "auto", "fp32"),
        ("cuda", "fp16", "fp16"),
        ("cuda", "fp32", "fp32"),
    ):
        assert resolve_precision(given, device) == expected
    for bf16, expected in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, bf16=bf16: including_emulation or bf16
        )
        assert resolve_precision("auto", "cuda") == expected
