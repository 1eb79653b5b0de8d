"""From a corpus to one small model: three runs on the synthetic corpus, their ensemble scored, a student of it."""

import json
from pathlib import Path

import pytest

import docre
from docre.commands import calibrate, distil, evaluate, predict, synthetic, train
from docre.evaluation import evaluate as scores_of
from docre.evaluation import read_submission
from tests.tiny import save_tiny_encoder
from tests.training.test_train import write_config

RUNS = {"a": ({"name": "atl"}, 1), "b": ({"name": "atgl", "alpha": 6.0}, 2), "c": ({"name": "bce"}, 3)}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the runs a, b and c, of three losses and seeds, on a small synthetic corpus."""
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic.main(["--train", "40", "--dev", "8", "--test", "8", "--output", str(folder)])
    words = [word for document in docre.read(folder / "train.json") for s in document.sentences for word in s]
    encoder = save_tiny_encoder(folder / "encoder", words, max_position_embeddings=512)
    data = {split: str(folder / f"{split}.json") for split in ("train", "dev", "test")}
    data["relations"] = str(folder / "rel_info.json")
    for name, (loss, seed) in RUNS.items():
        (folder / "configs" / name).mkdir(parents=True)
        path = folder / "configs" / name / "c.yaml"
        training = {"epochs": 4, "batch_size": 4, "encoder_lr": 1e-3, "head_lr": 1e-2}
        changes = {"loss": loss, "seed": seed, "output": str(folder / name), "data": data, "training": training}
        train.main(["--config", str(write_config(path, folder, encoder, **changes))])
    return folder


def test_three_models_and_their_student(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    three = [word for name in RUNS for word in ("--checkpoint", name)]
    gold = list(docre.read("test.json"))
    evaluate.main([*three, "--data", "test.json", "--train", "train.json", "--json", "scores.json"])
    predict.main([*three, "--input", "test.json", "--output", "result.json"])
    found, _ = read_submission(place / "result.json")
    assert json.loads((place / "scores.json").read_text())["f1"] == scores_of(found, gold).f1

    calibrate.main([*three, "--data", "dev.json", "--output", "c.json"])
    f1 = {}
    for name, more in (("plain", []), ("fitted", ["--calibration", "c.json"])):
        evaluate.main([*three, "--data", "dev.json", "--json", f"{name}.json", *more])
        f1[name] = json.loads((place / f"{name}.json").read_text())["f1"]
    assert 0 < f1["fitted"] >= f1["plain"]

    teachers = [word for name in RUNS for word in ("--teacher", name)]
    distil.main(["--config", "configs/a/c.yaml", *teachers, "output=small", "training.epochs=2"])
    log = [json.loads(line) for line in (place / "small/student/log.jsonl").read_text().splitlines()]
    distances = [line["loss/distil"] for line in log if line["event"] == "step"]
    assert distances[-1] < distances[0] / 2
    evaluate.main(["--checkpoint", "small/student", "--data", "test.json", "--json", "student.json"])
    assert 0 <= json.loads((place / "student.json").read_text())["f1"] <= 1
    capsys.readouterr()
