"""A recipe whose student learns from the labels that a teacher predicts, and `docre label`, which writes the same."""

import json
from pathlib import Path

import pytest
import yaml

from docre.commands import calibrate, label, predict, recipe
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.training.recipe import read_recipe
from docre.training.stages import labels, standings
from tests.tiny import random_documents
from tests.training.test_train import write_config

TRAINING = {"epochs": 2, "batch_size": 2, "encoder_lr": 1e-3, "head_lr": 2e-2}


@pytest.fixture
def path(tmp_path, tiny_encoder) -> Path:
    for seed, (name, size) in enumerate({"train": 6, "plain": 5, "dev": 3, "test": 2}.items()):
        write_docred(tmp_path / f"{name}.json", random_documents(size, seed=seed, labeled=name != "plain"))
    write_config(tmp_path / "c.yaml", tmp_path, tiny_encoder, training=TRAINING, evaluation={"top_k": 0})
    stages = [
        {"name": "teacher"},
        {"name": "silver", "labels": str(tmp_path / "plain.json"), "checkpoint": "${teacher}"},
        {
            "name": "student",
            "set": {
                "data.train": "${silver}/documents.json",
                "data.relations": "${teacher}/best/relations.json",
                "training.epochs": 1,
            },
        },
    ]
    values = {"output": str(tmp_path / "out"), "config": "c.yaml", "stages": stages}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "r.yaml"


def states(path: Path) -> list[str]:
    return [standing.state for standing in standings(read_recipe(path).stages).values()]


def test_the_student_learns_what_the_teacher_predicts(path, tmp_path, capsys):
    recipe.main([str(path)])
    assert states(path) == ["finished"] * 3
    made = tmp_path / "out" / "silver" / "documents.json"
    plain, result = tmp_path / "plain.json", tmp_path / "result.json"
    predict.main(["--checkpoint", str(tmp_path / "out/teacher"), "--input", str(plain), "--output", str(result)])
    predicted = {(p["title"], p["h_idx"], p["t_idx"], p["r"]) for p in json.loads(result.read_text())}
    documents = read(str(made), "docred")
    found = {(d.title, t.head, t.tail, t.relation) for d in documents for t in d.triples or ()}
    assert found == predicted != set()
    assert [d.sentences for d in documents] == [d.sentences for d in read(str(plain), "docred")]
    by_hand = tmp_path / "by_hand.json"
    label.main(["--checkpoint", str(tmp_path / "out/teacher"), "--input", str(plain), "--output", str(by_hand)])
    assert by_hand.read_bytes() == made.read_bytes()
    assert f"{len(predicted)} labels of 5 documents" in capsys.readouterr().out
    dev, teacher = str(tmp_path / "dev.json"), str(tmp_path / "out/teacher")
    calibrate.main(["--checkpoint", teacher, "--data", dev, "--recall", "0.1"])  # other decisions of the same weights
    assert states(path) == ["finished", "stale", "stale"]
    recipe.main([str(path), "--update"])
    assert states(path) == ["finished"] * 3
    write_docred(plain, random_documents(4, seed=9, labeled=False))
    assert states(path) == ["finished", "stale", "stale"]
    recipe.main([str(path), "--update"])
    assert states(path) == ["finished"] * 3 and len(read(str(made), "docred")) == 4


def test_an_interrupted_stage_starts_again(path, tmp_path, monkeypatch):
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(labels, "write_docred", stop)
        with pytest.raises(KeyboardInterrupt):
            recipe.main([str(path)])
    assert states(path) == ["finished", "new", "new"]
    recipe.main([str(path)])
    assert states(path) == ["finished"] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": "nowhere.json"}, "silver: data: nowhere.json: no such file"),
        ({"checkpoint": "nowhere"}, "nowhere: not a checkpoint"),
        ({"reader": "x"}, "unknown reader 'x'"),
        ({"label": "x"}, "stage 'silver': kind of stage 'labels' has no parameter 'label'"),
    ],
)
def test_mistakes(changes, message, path, tmp_path):
    values = yaml.safe_load(path.read_text())
    values["stages"][1] |= changes
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(DocreError) as error:
        recipe.main([str(path)])
    assert message in str(error.value) and not (tmp_path / "out").exists()
