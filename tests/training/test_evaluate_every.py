"""Evaluations within an epoch: training is the same, the checkpoint may be theirs, and an interruption does no harm."""

import json
import os
import signal
from pathlib import Path

import pytest

from docre.commands import train
from docre.commands.report import learning_curve
from docre.data.readers import read
from docre.evaluation import Evaluator
from docre.inference.checkpoint import load
from docre.inference.predictor import Predictor
from docre.training.run import TrainingRun
from tests.children import Child, forks
from tests.training.test_resume import config, corpus, outcome

__all__ = ["corpus"]


def metrics_of(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


@pytest.fixture(scope="module")
def frequent(corpus, tiny_encoder, tmp_path_factory) -> Path:
    """A run of two epochs of ten steps that is evaluated every three steps."""
    path = config(tmp_path_factory.mktemp("frequent"), corpus, tiny_encoder, save_every=None, evaluate_every=3)
    train.main(["--config", str(path)])
    return path.parent / "run"


def test_training_is_the_same(frequent, corpus, tiny_encoder, tmp_path):
    path = config(tmp_path / "plain", corpus, tiny_encoder, save_every=None)
    train.main(["--config", str(path)])
    plain, found = metrics_of(path.parent / "run"), metrics_of(frequent)
    assert found["epochs"] == plain["epochs"] and "evaluations" not in plain
    places = [(result["epoch"], result["step"]) for result in found["evaluations"]]
    assert places == [(1, 3), (1, 6), (1, 9), (2, 12), (2, 15), (2, 18)]
    log = [json.loads(line) for line in (frequent / "log.jsonl").read_text().splitlines()]
    assert [line["f1"] for line in log if line["event"] == "evaluation"] == [r["f1"] for r in found["evaluations"]]
    losses = {line["step"]: line["loss"] for line in log if line["event"] == "step"}  # the means of two steps
    assert found["evaluations"][1]["loss"] == pytest.approx((losses[2] + losses[4] + losses[6]) / 3, rel=1e-6)
    assert found["best"]["f1"] == max(result["f1"] for result in found["epochs"] + found["evaluations"])


def test_the_learning_curve_has_them_in_their_places(frequent):
    found, curve = metrics_of(frequent), learning_curve(frequent)
    assert found["steps"] == 20
    assert list(curve) == pytest.approx([0.3, 0.6, 0.9, 1, 1.2, 1.5, 1.8, 2])
    assert [curve[1], curve[2]] == found["epochs"] and curve[1.5] == found["evaluations"][4]


def test_the_last_step_of_an_epoch_is_evaluated_once(corpus, tiny_encoder, tmp_path):
    path = config(tmp_path / "a", corpus, tiny_encoder, evaluate_every=5)
    train.main(["--config", str(path)])
    found = metrics_of(path.parent / "run")
    assert [result["step"] for result in found["evaluations"]] == [5, 15] and len(found["epochs"]) == 2


def test_a_checkpoint_within_an_epoch_is_kept(corpus, tiny_encoder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(TrainingRun, "score", lambda run, result: -abs(result.get("step", 99) - 6))
    path = config(tmp_path / "a", corpus, tiny_encoder, evaluate_every=3)
    train.main(["--config", str(path)])
    assert "test, epoch 1, step 6:" in capsys.readouterr().out
    best = metrics_of(path.parent / "run")["best"]
    dev = read(corpus / "dev.json", "docred")
    scores = Evaluator(dev)([p for found in load(path.parent / "run").predict(dev) for p in found])
    assert best["step"] == 6 and (scores.p, scores.r, scores.f1) == (best["p"], best["r"], best["f1"])


def test_without_dev_there_is_none(corpus, tiny_encoder, tmp_path):
    path = config(tmp_path / "a", corpus, tiny_encoder, dev=False, evaluate_every=3)
    train.main(["--config", str(path)])
    assert "evaluations" not in metrics_of(path.parent / "run")


@forks
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("call", [1, 4, 6])  # of the evaluations at the steps 3, 6, 9, 10, 12, 15, 18, 20
def test_killed_in_an_evaluation_it_ends_as_if_never_killed(
    number, code, call, frequent, corpus, tiny_encoder, tmp_path
):
    def kill_in_an_evaluation() -> None:
        real, calls = Predictor.predict_features, []

        def predict_features(*arguments, **options):
            calls.append(1)
            if len(calls) == call:
                os.kill(os.getpid(), number)
            return real(*arguments, **options)

        Predictor.predict_features = predict_features

    path = config(tmp_path / "a", corpus, tiny_encoder, save_every=None, evaluate_every=3)
    child = Child(["--config", str(path)], tmp_path / "out", prepare=kill_in_an_evaluation)
    assert child.wait(60) == code, child.text()
    assert [p.name for p in (path.parent / "run").glob("state-*")] == [f"state-{[3, 6, 9, 10, 12, 15][call - 1]}"]
    train.main(["--config", str(path)])
    assert outcome(path.parent / "run") == outcome(frequent)
