"""From a corpus to one small model: three runs on the synthetic corpus, their ensemble scored, a student of it.

Tiny models learn the documents by heart, so they are scored on the same ones."""

import json
from pathlib import Path

import pytest

import docre
from docre.commands import calibrate, distil, evaluate, predict, synthetic, train
from docre.evaluation import evaluate as scores_of
from docre.evaluation import read_submission
from tests.tiny import save_tiny_encoder
from tests.training.test_train import write_config

RUNS = {"a": 20.0, "b": 30.0, "c": 40.0}  # and alpha of ATGL
TRAINING = {"epochs": 12, "batch_size": 4, "encoder_lr": 2e-3, "head_lr": 1e-2}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the runs a, b and c, of other seeds, and two encoders with other vocabularies."""
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic.main(["--train", "12", "--dev", "1", "--test", "1", "--output", str(folder)])
    words = [word for document in docre.read(folder / "train.json") for s in document.sentences for word in s]
    data = dict.fromkeys(("train", "dev", "test"), str(folder / "train.json"))
    data["relations"] = str(folder / "rel_info.json")
    for seed, (name, alpha) in enumerate(RUNS.items()):
        encoder = save_tiny_encoder(folder / f"encoder_{name}", words[seed:], max_position_embeddings=512)
        (folder / name).mkdir()
        loss = {"name": "atgl", "alpha": alpha}
        changes = {"loss": loss, "seed": seed, "output": str(folder / name / "run"), "data": data, "training": TRAINING}
        train.main(["--config", str(write_config(folder / name / "c.yaml", folder, encoder, **changes))])
    return folder


def test_three_models_and_their_student(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    runs = [f"{name}/run" for name in RUNS]
    three = [word for run in runs for word in ("--checkpoint", run)]
    evaluate.main([*three, "--data", "train.json", "--json", "plain.json"])
    predict.main([*three, "--input", "train.json", "--output", "result.json"])
    found = read_submission(place / "result.json")
    plain = scores_of(found, docre.read("train.json")).f1
    assert json.loads((place / "plain.json").read_text())["f1"] == plain

    calibrate.main([*three, "--data", "train.json", "--output", "c.json"])
    evaluate.main([*three, "--data", "train.json", "--json", "fitted.json", "--calibration", "c.json"])
    assert 0 < json.loads((place / "fitted.json").read_text())["f1"] >= plain

    teachers = [word for run in runs for word in ("--teacher", run)]
    distil.main(["--config", "a/c.yaml", *teachers, "output=small", "loss.name=bce"])
    log = [json.loads(line) for line in (place / "small/student/log.jsonl").read_text().splitlines()]
    distances = [line["loss/distil"] for line in log if line["event"] == "step"]
    assert distances[-1] < distances[0] / 2
    capsys.readouterr()
