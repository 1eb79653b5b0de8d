"""A new idea, end to end: a model, a term and an inference of one's own in a recipe, killed in each stage."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import yaml

import docre
from docre.commands import recipe
from docre.data.readers.docred import write_docred
from tests.children import Child, forks
from tests.tiny import RELATIONS, random_documents
from tests.training.test_resume import outcome

NAMES = ("first", "second")


def write_recipe(folder: Path, encoder: Path) -> Path:
    for seed, (name, size) in enumerate({"train": 12, "dev": 6, "test": 4}.items()):
        write_docred(folder / f"{name}.json", random_documents(size, seed=seed))
    (folder / "relations.json").write_text(json.dumps([{"id": relation} for relation in RELATIONS]))
    data = {split: str(folder / f"{split}.json") for split in ("train", "dev", "test", "relations")}
    config = {
        "plugins": ["tests.training.throwaway"],
        "data": data,
        "encoder": {"name": str(encoder)},
        "model": {"name": "gated"},
        "loss": {"name": "atgl", "alpha": 30.0},
        "terms": [{"name": "open_gate", "weight": 0.5}, {"name": "evidence", "weight": 0.2, "from_epoch": 2}],
        "training": {
            "epochs": 2,
            "batch_size": 2,
            "encoder_lr": 1e-3,
            "head_lr": 2e-2,
            "group_lr": {"gate": 5e-2},
            "save_every": 2,
        },
        "evaluation": {"evidence_threshold": 0.2},
        "logging": {"every": 1},
    }
    second = {
        "training.initial_weights": "${first}",
        "inference.name": "shifted",
        "training.freeze": ["head_extractor"],
    }
    stages = [{"name": "first"}, {"name": "second", "set": second}]
    (folder / "r.yaml").write_text(yaml.safe_dump({"output": str(folder / "out"), "config": config, "stages": stages}))
    return folder / "r.yaml"


def results(folder: Path) -> dict[str, dict]:
    found = {name: outcome(folder / "out" / name) for name in NAMES}
    text = {name: json.dumps(found[name].pop("log")).replace(str(folder), "") for name in NAMES}
    return {name: found[name] | {"log": text[name]} for name in NAMES}


@pytest.fixture(scope="module")
def whole(tiny_encoder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    child = Child([str(write_recipe(folder, tiny_encoder))], folder / "out.txt", main=recipe.main)
    assert child.wait() == 0, child.text()
    return folder


@forks
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_in_each_stage(number, whole, tiny_encoder, tmp_path):
    path = write_recipe(tmp_path, tiny_encoder)
    for name in NAMES:
        child = Child([str(path)], tmp_path / "out.txt", main=recipe.main)
        log = tmp_path / "out" / name / "log.jsonl"
        while not log.is_file() or '"step": 7' not in log.read_text():  # in the second epoch
            assert child.poll() is None, child.text()
            time.sleep(0.001)
        os.kill(child.pid, number)
        assert child.wait() == (143 if number == signal.SIGTERM else -9)
    last = Child([str(path)], tmp_path / "out.txt", main=recipe.main)
    assert last.wait() == 0 and "resuming from" in last.text(), last.text()
    assert results(tmp_path) == results(whole)


@forks
def test_everything_was_used(whole):
    log = [json.loads(line) for line in (whole / "out" / "second" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in log if line["event"] == "step"]
    assert all("loss/open_gate" in line and "gate_lr" in line for line in steps)
    assert ["loss/evidence" in line for line in steps] == [False] * 6 + [True] * 6
    metrics = json.loads((whole / "out" / "second" / "metrics.json").read_text())
    assert metrics["inference"]["name"] == "shifted" and metrics["inference"]["shift"] > 0
    source = (Path(__file__).parent / "throwaway.py").read_text()
    assert source.count("\n") < 62


@forks
def test_its_checkpoint_predicts(whole, tmp_path):
    """In another process, with the plugin named."""

    def predict(_: list[str]) -> None:
        model = docre.load(whole / "out" / "second", "cpu", plugins=["tests.training.throwaway"])
        documents = docre.read(whole / "test.json")
        predictions = [p for of_document in model.predict(documents) for p in of_document]
        submitted = json.loads((whole / "out" / "second" / "result.json").read_text())
        assert [(p.title, p.head, p.tail, p.relation) for p in predictions] == [
            (e["title"], e["h_idx"], e["t_idx"], e["r"]) for e in submitted
        ]
        assert model.inference.fitted["shift"] > 0

    child = Child([], tmp_path / "out.txt", main=predict)
    assert child.wait() == 0, child.text()
