"""Training in fp16 scales the loss, as tiny gradients would be zero otherwise. That runs on GPUs only; here the scaler
is a real one for the CPU, put where accelerate has it for fp16, and the numbers are those of float32."""

from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer

from docre.errors import DocreError
from docre.training.loop import LEAST_SCALE, Trainer
from tests.training.test_snapshot import steps, trainer

SCALE = 8.0


def scaled(encoder, monkeypatch, **training) -> Trainer:
    """A trainer as accelerate prepares it for fp16, but for autocast."""
    built = trainer(encoder, 1, scaler=True, **training)
    built.accelerator.native_amp = True
    monkeypatch.setattr(Accelerator, "mixed_precision", "fp16")
    built.optimizer = AcceleratedOptimizer(built.optimizer.optimizer, scaler=built.accelerator.scaler)
    return built


def weights(trained: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trained.objective.named_parameters()}


def overflow(trained: Trainer):
    """Make every gradient of the bilinear weight infinite, until the handle that is returned is removed."""
    return trained.objective.model.bilinear.weight.register_hook(lambda gradient: gradient + torch.inf)


def test_scaled_steps_equal_plain_ones(tiny_encoder, monkeypatch):
    """A scale that is a power of two changes no digit, and gradients are clipped at their own size, not the scaled."""
    plain = trainer(tiny_encoder, 1)
    torch.manual_seed(3)
    steps(plain, 2)
    built = scaled(tiny_encoder, monkeypatch)
    torch.manual_seed(3)
    steps(built, 2)
    assert built.accelerator.scaler.get_scale() == SCALE
    for name, value in weights(built).items():
        assert torch.equal(value, weights(plain)[name]), name


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_an_infinite_gradient_changes_nothing_but_the_scale(on_nan, tiny_encoder, monkeypatch):
    built = scaled(tiny_encoder, monkeypatch, on_nan=on_nan)
    before = weights(built)
    handle = overflow(built)
    steps(built, 1)
    assert all(torch.equal(value, before[name]) for name, value in weights(built).items())
    assert built.accelerator.scaler.get_scale() == SCALE / 2
    assert int(built.failed_step) == 0 and built.progress.skipped == 0
    handle.remove()
    steps(built, 1)
    assert not torch.equal(weights(built)["model.bilinear.weight"], before["model.bilinear.weight"])
    assert built.accelerator.scaler.get_scale() == SCALE / 2


def test_gradients_that_stay_infinite_are_a_failure(tiny_encoder, monkeypatch):
    built = scaled(tiny_encoder, monkeypatch)
    overflow(built)
    built.accelerator.scaler.scale(torch.zeros(1))  # initializes the scaler
    built.accelerator.scaler.update(LEAST_SCALE)
    run = SimpleNamespace(describe_saved=lambda: "nothing is saved")
    built._raise_if_failed(run)
    steps(built, 1)
    with pytest.raises(DocreError, match="no gradient is finite any more in fp16; nothing is saved"):
        built._raise_if_failed(run)


def test_without_a_scaler_an_infinite_gradient_is_a_failure(tiny_encoder):
    built = trainer(tiny_encoder, 1)
    overflow(built)
    steps(built, 1)
    assert int(built.failed_step) == 1
