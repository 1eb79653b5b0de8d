"""A generator's run: it resumes exactly wherever it was stopped, and trains as published or repaired."""

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from docre.config.loading import load_config
from docre.core.manifests import check_folder
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.inference import checkpoint
from docre.models.generator import Generator
from docre.models.generator.generator import Sizes
from docre.training.generator import run
from docre.training.generator.features import labeled_pairs
from docre.training.generator.run import train_generator
from docre.training.generator.settings import GeneratorSettings
from docre.training.generator.trainer import GeneratorTrainer, average_decay, vae_rate
from docre.training.interrupts import Interrupted
from docre.training.launch import train
from tests.tiny import random_documents
from tests.training.test_train import write_config

MODEL = {"name": "vaediff", "head_size": 16, "block_size": 4, "axial_layers": 1, "axial_heads": 4, "map_size": 6}
STEPS = 9  # 3 epochs of 3


@pytest.fixture(scope="module")
def base(tmp_path_factory, tiny_encoder) -> Path:
    """The run of a base model, with its data beside it."""
    folder = tmp_path_factory.mktemp("base")
    write_docred(folder / "train.json", random_documents(7, seed=1))
    data = {"train": str(folder / "train.json")}
    training = {"epochs": 1, "batch_size": 2}
    path = write_config(
        folder / "c.yaml",
        folder,
        tiny_encoder,
        data=data,
        model=MODEL,
        loss={"name": "pmt_em"},
        terms=[{"name": "contrastive"}],
        training=training,
    )
    train(load_config(path))
    return folder


def settings(folder: Path, output: Path, **changes) -> GeneratorSettings:
    given = {"output": str(output), "base": str(folder / "run"), "train": str(folder / "train.json")}
    sizes = {"latent_size": 6, "width": 8, "depth": 1, "heads": 2, "diffusion_steps": 5}
    sizes |= {"epochs": 3, "warmup_epochs": 1, "batch_size": 2, "save_every": 2, "vae_lr": 1e-2}
    return GeneratorSettings(**(given | sizes | {"prior_lr": 1e-2} | changes))


@pytest.fixture(scope="module", params=[False, True], ids=["published", "repaired"])
def repairs(request) -> dict:
    return {"cosine_by_epoch": request.param, "clear_gradients": request.param}


@pytest.fixture
def computed(base, monkeypatch) -> None:
    """The base model's features are there already, so that a run takes little time."""
    if base not in FEATURES:
        predictor = checkpoint.load(base / "run")
        FEATURES[base] = predictor, labeled_pairs(predictor, str(base / "train.json"), "docred")
    predictor, pairs = FEATURES[base]
    monkeypatch.setattr(run.checkpoint, "load", lambda *_: predictor)
    monkeypatch.setattr(run, "labeled_pairs", lambda *_: pairs)


FEATURES: dict = {}


@pytest.fixture(scope="module")
def whole(base, repairs, tmp_path_factory) -> dict:
    """What a run leaves that was not stopped."""
    output = tmp_path_factory.mktemp("whole") / "run"
    train_generator(settings(base, output, **repairs))
    return outcome(output)


def outcome(run: Path) -> dict:
    """What a finished run leaves, without times."""
    check_folder(run / "generator")
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["training_seconds"], metrics["peak_memory_mb"]
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    epochs = [{k: v for k, v in line.items() if k != "seconds"} for line in log if line["event"] == "epoch"]
    left = sorted(path.name for path in run.iterdir() if path.name != ".lock")
    weights = (run / "generator" / "generator.safetensors").read_bytes()
    return {"metrics": metrics, "epochs": epochs, "left": left, "weights": weights}


def test_a_run_leaves_a_generator(whole, base, tmp_path):
    assert whole["left"] == ["generator", "generator.yaml", "log.jsonl", "metrics.json"]
    assert [set(epoch) for epoch in whole["epochs"]] == [
        {"event", "epoch", "vae"},
        *[{"event", "epoch", "vae", "prior"}] * 2,
    ]
    (tmp_path / "g.safetensors").write_bytes(whole["weights"])
    assert all(tensor.isfinite().all() for tensor in load_file(tmp_path / "g.safetensors").values())


@pytest.mark.parametrize("step", range(STEPS))
def test_killed_at_any_step_it_resumes_exactly(step, base, computed, repairs, whole, tmp_path, monkeypatch):
    """It stops in the middle of a step, when states are saved every two steps and after every epoch."""
    taken = [0]
    real = GeneratorTrainer.step

    def stopping(trainer, *arguments):
        losses = real(trainer, *arguments)
        taken[0] += 1
        if taken[0] == step + 1:
            raise KeyboardInterrupt
        return losses

    with monkeypatch.context() as patch:
        patch.setattr(GeneratorTrainer, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train_generator(settings(base, tmp_path / "run", **repairs))
    assert not (tmp_path / "run" / "generator").exists()
    torch.manual_seed(step)  # whatever the process did before
    train_generator(settings(base, tmp_path / "run", **repairs))
    assert outcome(tmp_path / "run") == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_the_run(number, base, repairs, whole, tmp_path, monkeypatch):
    real = GeneratorTrainer.step

    def signaled(trainer, *arguments):
        if trainer.steps == 4:
            os.kill(os.getpid(), number)
        return real(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(GeneratorTrainer, "step", signaled)
        with pytest.raises(Interrupted, match=r"stopped in epoch 2\. The state is saved") as stopped:
            train_generator(settings(base, tmp_path / "run", **repairs))
    assert stopped.value.code == 128 + number
    assert [path.name for path in (tmp_path / "run").glob("state-*")] == ["state-5"]
    train_generator(settings(base, tmp_path / "run", **repairs))
    assert outcome(tmp_path / "run") == whole


def test_a_signal_before_the_first_step_is_obeyed_at_once(base, tmp_path, monkeypatch):
    def signaled(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on")

    monkeypatch.setattr(run, "labeled_pairs", signaled)
    with pytest.raises(Interrupted, match="stopped before a step: the same command starts again"):
        train_generator(settings(base, tmp_path / "run"))


def test_a_finished_run_is_not_repeated_and_another_is_refused(base, tmp_path):
    first = train_generator(settings(base, tmp_path / "run", epochs=2))
    before = (tmp_path / "run" / "generator" / "generator.safetensors").stat().st_mtime_ns
    assert train_generator(settings(base, tmp_path / "run", epochs=2, save_every=7)) == json.loads(json.dumps(first))
    assert (tmp_path / "run" / "generator" / "generator.safetensors").stat().st_mtime_ns == before
    with pytest.raises(DocreError, match=r"run holds a run with another seed: 66, now 1"):
        train_generator(settings(base, tmp_path / "run", epochs=2, seed=1))
    train_generator(settings(base, tmp_path / "run", epochs=2, seed=1), restart=True)
    write_docred(tmp_path / "other.json", random_documents(7, seed=2))
    (tmp_path / "train.json").write_bytes((base / "train.json").read_bytes())
    train_generator(settings(base, tmp_path / "second", epochs=2, train=str(tmp_path / "train.json")))
    (tmp_path / "train.json").write_bytes((tmp_path / "other.json").read_bytes())
    with pytest.raises(DocreError, match=r"second holds a run with another train file: [0-9a-f]{16}, now"):
        train_generator(settings(base, tmp_path / "second", epochs=2, train=str(tmp_path / "train.json")))


def test_what_it_cannot_learn_from_is_refused(base, tmp_path, tiny_encoder):
    write_docred(tmp_path / "unlabeled.json", random_documents(3, labeled=False))
    write_docred(tmp_path / "empty.json", [])
    write_docred(tmp_path / "negative.json", [replace(d, triples=()) for d in random_documents(3)])
    for changes, message in (
        ({"train": str(tmp_path / "unlabeled.json")}, r"unlabeled\.json: .*no labels, but the generator learns from"),
        ({"train": str(tmp_path / "none.json")}, r"none\.json"),
        ({"train": str(tmp_path / "empty.json")}, r"empty\.json: no documents to learn from"),
        ({"train": str(tmp_path / "negative.json")}, r"negative\.json: no pair with a relation in it"),
        ({"warmup_epochs": 3}, r"generator\.warmup_epochs: 3 of 3 epochs, so that the prior would never be trained"),
        ({"width": 6, "heads": 4}, "width: expected a multiple of heads 4, got 6"),
        ({"base": str(tmp_path / "none")}, r"none: not a checkpoint"),
        ({"batch_size": 8}, "7 training documents are too few"),
    ):
        with pytest.raises(DocreError, match=message):
            train_generator(settings(base, tmp_path / "run", **changes))
        assert not (tmp_path / "run" / "generator").exists()
    path = write_config(
        tmp_path / "c.yaml", base, tiny_encoder, data={"train": str(base / "train.json")}, training={"epochs": 1}
    )
    train(load_config(path))
    with pytest.raises(DocreError, match="the model 'atlop' gives no features to learn from"):
        train_generator(settings(base, tmp_path / "other", base=str(tmp_path / "run")))


def test_the_learning_rate_of_the_vae():
    """Published: 2e-4 at first, 2e-5 after 89 steps, 2e-4 again after 178. Repaired: 2e-5 in the last of 100 epochs."""
    published = GeneratorSettings(output="o", base="b", train="t")
    rates = [vae_rate(published, step, 0) for step in (0, 89, 178, 267)]
    assert rates == pytest.approx([2e-4, 2e-5, 2e-4, 2e-5])
    repaired = published.model_copy(update={"cosine_by_epoch": True})
    rates = [vae_rate(repaired, 12345, epoch) for epoch in (0, 10, 99)]
    assert rates == pytest.approx([2e-4, 2e-4, 2e-5])
    middle = vae_rate(repaired, 0, 10 + 89 // 2)
    assert 2e-5 + (1.8e-4) * (1 + math.cos(math.pi * 44 / 89)) / 2 == pytest.approx(middle)


def test_the_decay_of_the_average(shared):
    golden = json.loads((shared / "golden" / "vaediff" / "vaediff.json").read_text())
    expected = golden["ema_decay_by_update"]
    assert [average_decay(update) for update in range(1, len(expected) + 1)] == pytest.approx(expected, abs=1e-8)
    assert average_decay(10**6) == 0.995


@pytest.mark.parametrize("cleared", [False, True])
def test_gradients_of_the_vae_are_cleared_only_when_repaired(cleared):
    """With learning rates of 0 and the same random numbers each step has the same gradient g, which is clipped to c:
    published the second step has c + g, which is clipped again."""
    torch.manual_seed(0)
    generator = Generator(Sizes(hidden=16, relations=4, latent=6, width=8, depth=1, heads=2, steps=5))
    rates = {"vae_lr": 0.0, "last_vae_lr": 0.0, "prior_lr": 0.0, "clip": 0.5}
    given = GeneratorSettings(output="o", base="b", train="t", latent_size=6, clear_gradients=cleared, **rates)
    trainer = GeneratorTrainer(generator, given)
    feature, labels = torch.randn(3, 16), torch.ones(3, 4, dtype=torch.bool)
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        trainer.step(feature, labels, epoch=0)
        found.append(torch.cat([p.grad.flatten() for p in trainer.vae]))
    first, second = found
    assert first.norm() == pytest.approx(0.5, rel=1e-4) and second.norm() == pytest.approx(0.5, rel=1e-4)
    torch.testing.assert_close(first, second)  # the same direction
    given = given.model_copy(update={"clip": 1e9})
    trainer = GeneratorTrainer(generator, given)
    trainer.generator.zero_grad()
    norms = []
    for _ in range(2):
        torch.manual_seed(1)
        trainer.step(feature, labels, epoch=0)
        norms.append(torch.cat([p.grad.flatten() for p in trainer.vae]).norm().item())
    assert norms[1] / norms[0] == pytest.approx(1 if cleared else 2, rel=1e-3)


def test_the_average_is_a_copy_until_the_twelfth_update():
    torch.manual_seed(0)
    generator = Generator(Sizes(hidden=16, relations=4, latent=6, width=8, depth=1, heads=2, steps=5))
    given = GeneratorSettings(output="o", base="b", train="t", latent_size=6, warmup_epochs=0, prior_lr=1e-2)
    trainer = GeneratorTrainer(generator, given)
    feature, labels = torch.randn(3, 16), torch.ones(3, 4, dtype=torch.bool)
    for update in range(1, 14):
        before = [p.clone() for p in trainer.average.parameters()]
        trainer.step(feature, labels, epoch=0)
        decay = average_decay(update)
        for old, new, weight in zip(before, trainer.average.parameters(), generator.prior.parameters(), strict=True):
            torch.testing.assert_close(new, decay * old + (1 - decay) * weight)
        assert (decay > 0) is (update >= 12)
