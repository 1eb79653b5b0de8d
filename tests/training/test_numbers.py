"""Numbers that go wrong say so: losses that are not finite, memory that runs out, data that is odd."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor

from docre.commands import train
from docre.config.loading import load_config
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.losses import LOSSES
from docre.losses.atl import ATL
from docre.tensors import ModelOutput
from docre.training import launch
from docre.training.loop import Trainer
from docre.training.objective import Objective
from tests.tiny import random_documents
from tests.training.test_train import write_config

TRAINING = {"epochs": 1, "batch_size": 2, "encoder_lr": 1e-3, "head_lr": 2e-2, "save_every": 1}  # 6 steps


class Bad(ATL):
    """ATL, but its loss at the call of number `at` is multiplied with `factor`, or its gradient is NaN."""

    def __init__(self, num_relations: int, at: int, factor: float = 1.0, bad_gradient: bool = False) -> None:
        super().__init__(num_relations)
        self.at, self.factor, self.bad_gradient = at, factor, bad_gradient
        self.calls = 0

    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        self.calls += 1
        loss = super().compute(output, labels)
        if self.calls != self.at:
            return loss
        return loss + (loss - loss).sqrt() if self.bad_gradient else loss * self.factor


@pytest.fixture
def config(tmp_path, tiny_encoder):
    """The config of a run of six steps with a loss that goes wrong."""
    LOSSES.register("bad")(Bad)
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(tmp_path / f"{split}.json", random_documents(12, seed=seed))

    def make(**changes) -> Path:
        training = TRAINING | changes.pop("training", {})
        return write_config(tmp_path / "c.yaml", tmp_path, tiny_encoder, training=training, **changes)

    yield make
    LOSSES.unregister("bad")


@pytest.mark.parametrize(
    "loss", [{"factor": float("nan")}, {"factor": float("inf")}, {"factor": -float("inf")}, {"bad_gradient": True}]
)
@pytest.mark.parametrize("on_gpu", [False, True])
def test_a_loss_that_is_not_finite_stops_the_run(loss, on_gpu, config, tmp_path, monkeypatch):
    """On a GPU, where the host looks only now and then, the step and its documents are named all the same."""
    real = Trainer._step

    def step(trainer, *arguments):
        trainer.on_gpu = on_gpu
        return real(trainer, *arguments)

    monkeypatch.setattr(Trainer, "_step", step)
    run = tmp_path / "run"
    save_every = None if on_gpu else 1
    path = config(loss={"name": "bad", "at": 4} | loss, logging={"every": 50}, training={"save_every": save_every})
    with pytest.raises(DocreError) as error:
        train.main(["--config", str(path)])
    message = str(error.value)
    order = Trainer.__init__  # the documents of the fourth step, as the sampler deals them
    from docre.data.sampling import StepSampler

    titles = [f"doc {i}" for i in StepSampler(12, 2, seed=66).epoch(0)[3].documents]
    assert order and message.startswith(
        f"step 4 (epoch 1): the loss or its gradient is not finite, with documents {titles[0]!r}, {titles[1]!r}; "
    )
    saved = "no state is saved yet" if on_gpu else f"the last saved state is {run}/state-3"
    assert f"; {saved}. Lower the learning rates, or set training.on_nan=skip" in message
    assert [p.name for p in run.glob("state-*")] == ([] if on_gpu else ["state-3"])
    assert not (run / "metrics.json").exists()


def test_a_signal_after_a_failed_step_saves_nothing(config, tmp_path, monkeypatch):
    """On a GPU, which would not have been asked yet: the weights are not finite any more."""
    real = Trainer._step

    def step(trainer, *arguments):
        trainer.on_gpu = True
        norm = real(trainer, *arguments)
        if trainer.progress.step == 3:  # the fourth
            os.kill(os.getpid(), signal.SIGTERM)
        return norm

    monkeypatch.setattr(Trainer, "_step", step)
    path = config(
        loss={"name": "bad", "at": 4, "factor": float("inf")}, logging={"every": 50}, training={"save_every": 3}
    )
    with pytest.raises(DocreError, match=r"step 4 .* is not finite"):
        train.main(["--config", str(path)])
    assert [p.name for p in (tmp_path / "run").glob("state-*")] == ["state-3"]


def test_such_a_step_can_be_skipped(config, tmp_path, monkeypatch):
    changed, finite, real = [], [], Trainer._step

    def step(trainer, *arguments):
        before = [p.detach().clone() for p in trainer.objective.parameters()]
        norm = real(trainer, *arguments)
        after = list(trainer.objective.parameters())
        changed.append(not all(torch.equal(a, b) for a, b in zip(before, after, strict=True)))
        finite.append(all(bool(p.isfinite().all()) for p in after))
        return norm

    monkeypatch.setattr(Trainer, "_step", step)
    path = config(
        loss={"name": "bad", "at": 3, "factor": float("nan")},
        training={"on_nan": "skip", "warmup": 0.0},
        logging={"every": 1},
    )
    metrics = launch.train(load_config(path))
    assert changed == [True, True, False, True, True, True] and all(finite)
    assert metrics["skipped_steps"] == 1
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in log if line["event"] == "step"]
    assert [line.get("skipped", 0) for line in steps] == [0, 0, 1, 1, 1, 1]
    assert steps[2]["loss"] is None and steps[2]["norm"] is None
    others = [line["loss"] for line in steps if line["loss"] is not None]
    assert metrics["epochs"][0]["loss"] == pytest.approx(sum(others) / 5, rel=1e-6)


def test_an_epoch_of_skipped_steps_is_no_epoch(config, monkeypatch):
    monkeypatch.setattr(Bad, "compute", lambda self, output, labels: output.logits.sum() * float("nan"))
    path = config(loss={"name": "bad", "at": 1}, training={"on_nan": "skip"})
    with pytest.raises(DocreError, match="no step of epoch 1 had a finite loss; the last saved state is"):
        train.main(["--config", str(path)])


def out_of_memory_beyond(pairs: int, real):
    def forward(module, batch, *rest):
        if len(batch.pair_head) > pairs:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return real(module, batch, *rest)

    return forward


def test_out_of_memory_names_the_documents_and_the_setting(config, monkeypatch, tmp_path):
    monkeypatch.setattr(Objective, "forward", out_of_memory_beyond(20, Objective.forward))
    path = config(loss={"name": "atl"})
    with pytest.raises(DocreError) as error:
        train.main(["--config", str(path)])
    assert str(error.value).startswith("out of memory with documents 'doc ")
    assert "': 40 entity pairs and " in str(error.value)
    assert "Set training.max_pairs_per_batch or training.max_tokens_per_batch below that" in str(error.value)
    train.main(["--config", str(path), "training.max_pairs_per_batch=20"])
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_out_of_memory_when_predicting(config, monkeypatch, tmp_path):
    import docre

    train.main(["--config", str(config(loss={"name": "atl"}))])
    model = docre.load(tmp_path / "run", device="cpu")
    documents = docre.read(tmp_path / "test.json")[:1]
    whole = model.predict(documents)
    monkeypatch.setattr(type(model.model), "forward", out_of_memory_beyond(6, type(model.model).forward))
    with pytest.raises(DocreError, match=r"out of memory with document 'doc 2000': 20 entity pairs .* or data.max_tok"):
        model.predict(documents)
    monkeypatch.setattr(model, "limits", type(model.limits)(pairs=6))
    assert [(p.head, p.tail, p.relation) for p in model.predict(documents)[0]] == [
        (p.head, p.tail, p.relation) for p in whole[0]
    ]


def test_other_errors_are_not_taken_for_it():
    from docre.data.memory import enough_memory_for

    with pytest.raises(RuntimeError, match="shapes"), enough_memory_for(None, "training"):  # type: ignore[arg-type]
        raise RuntimeError("shapes cannot be multiplied")


def test_each_oddity_is_warned_of_once(config, capsys, tmp_path):
    train_documents = random_documents(12)
    write_docred(tmp_path / "dev.json", [*random_documents(2, seed=1), train_documents[0]])
    write_docred(tmp_path / "test.json", random_documents(2, labeled=False))
    data = {split: str(tmp_path / f"{split}.json") for split in ("train", "dev", "test")} | {"max_tokens": 30}
    train.main(["--config", str(config(loss={"name": "atl"}, data=data))])
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("docre: warning: ")]
    expected = [
        "1 dev documents are also in the training set, word for word: 'doc 0'",
        "the test documents have no labels: they are predicted, not scored",
        "2 test documents are also in the training set, word for word: 'doc 0', 'doc 1'",
        "of the train documents",
        "of the test documents",
    ]
    assert len(warnings) == len(expected)
    assert all(text in line for text, line in zip(expected, warnings, strict=True))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [f"docre: warning: {line['message']}" for line in log if line["event"] == "warning"] == warnings


def test_deterministic_asks_torch_for_it(config, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        train.main(["--config", str(config(loss={"name": "atl"}, training={"deterministic": True}))])
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
