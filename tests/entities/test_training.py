"""Entity models learn, resume exactly, and are saved and loaded; relation checkpoints hold a copy."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

import docre
from docre.commands import evaluate, train
from docre.data.readers import read
from docre.entities.checkpoint import load
from docre.errors import DocreError
from docre.evaluation.end_to_end import evaluate_end_to_end
from docre.text import TAGGERS
from tests.children import Child, forks, together
from tests.entities.corpus import write_config
from tests.training.test_train import write_config as relation_config


def test_it_learns(entity_run, entity_corpus):
    metrics = json.loads((entity_run / "metrics.json").read_text())
    assert metrics["test"]["entities"]["f1"] > 0.95
    assert metrics["best"]["entities_f1"] == max(epoch["entities_f1"] for epoch in metrics["epochs"])
    finder = load(entity_run, "cpu")
    test = read(entity_corpus / "test.json", "docred")
    scores = evaluate_end_to_end(test, [tagged for tagged, *_ in finder.tag(test)])
    assert scores.entities.to_json() == metrics["test"]["entities"]


def test_a_finished_run_is_not_repeated(entity_run, capsys):
    train.main(["--config", str(entity_run.parent / "c.yaml")])
    out = capsys.readouterr().out
    assert "is finished: nothing to do" in out and "entities (with type)" in out


def test_evaluations_within_an_epoch(entity_corpus, tiny_encoder, tmp_path):
    path = write_config(tmp_path / "c.yaml", entity_corpus, tiny_encoder)
    train.main(["--config", str(path), "training.epochs=1", "training.evaluate_every=2"])
    metrics = json.loads((tmp_path / "entities/metrics.json").read_text())
    results = metrics["evaluations"] + metrics["epochs"]
    assert [result.get("step") for result in results] == [2, 4, 6, 8, None]
    assert metrics["best"]["entities_f1"] == max(result["entities_f1"] for result in results)


@forks
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_it_ends_as_if_never_killed(number, entity_run, entity_corpus, tiny_encoder, tmp_path):
    path = write_config(tmp_path / "c.yaml", entity_corpus, tiny_encoder)
    arguments = ["--config", str(path), "training.save_every=3"]
    run = tmp_path / "entities"
    for step in (3, 12, 21):
        child = Child(arguments, tmp_path / "o.txt", main=train.main)
        while not any(int(p.name[6:]) >= step for p in run.glob("state-*") if p.name[6:].isdigit()):
            assert child.poll() is None, child.text()
            time.sleep(0.001)
        os.kill(child.pid, number)
        assert child.wait() == (143 if number == signal.SIGTERM else -9)
    child = Child(arguments, tmp_path / "o.txt", main=train.main)
    assert child.wait() == 0, child.text()
    ours, whole = (json.loads((folder / "metrics.json").read_text()) for folder in (run, entity_run))
    for key in ("epochs", "best", "test", "thresholds"):
        assert ours[key] == whole[key]
    assert (run / "best/model.safetensors").read_bytes() == (entity_run / "best/model.safetensors").read_bytes()


@forks
def test_two_processes(entity_run, entity_corpus, tiny_encoder, tmp_path):
    """Which take two documents each, as one process takes four."""
    path = write_config(tmp_path / "c.yaml", entity_corpus, tiny_encoder)
    children = together(["--config", str(path), "training.batch_size=2"], tmp_path, main=train.main)
    assert [child.wait() for child in children] == [0, 0], "\n".join(child.text() for child in children)
    metrics = json.loads((tmp_path / "entities/metrics.json").read_text())
    assert metrics["test"]["entities"]["f1"] > 0.9


def test_a_relation_checkpoint_holds_its_tagger(entity_run, entity_corpus, tiny_encoder, tmp_path, capsys):
    shutil.copytree(entity_run, tmp_path / "entities")
    documents = json.loads((entity_corpus / "train.json").read_text())
    for item in documents:
        item["labels"] = [{"h": 0, "t": 1, "r": "P1", "evidence": []}] * (len(item["vertexSet"]) > 1)
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.json").write_text(json.dumps(documents[:12]))
    tagger = {"name": "joint", "run": str(tmp_path / "entities")}
    config = relation_config(tmp_path / "r.yaml", tmp_path, tiny_encoder, tagger=tagger)
    train.main(["--config", str(config), "training.epochs=1"])
    text = " ".join(documents[0]["sents"][0])
    before = TAGGERS.build("joint", {"run": str(entity_run)})(text, "text")
    shutil.rmtree(tmp_path / "entities")
    model = docre.load(tmp_path / "run", device="cpu")
    found = model.extract(text)
    assert [e.name for e in found.entities] == [
        max((m.name for m in e.mentions), key=len) for e in before.entities
    ] and found.entities
    for entity in found.entities:
        assert entity.score is not None and all(m.score is not None for m in entity.mentions)
    with pytest.raises(DocreError, match="not a checkpoint"):
        docre.load(tmp_path / "run", changes=["tagger.run=nowhere"]).extract(text)
    changed = (tmp_path / "run/best/tagger/entities.json").read_text().replace('"A"', '"C"')
    (tmp_path / "run/best/tagger/entities.json").write_text(changed)
    with pytest.raises(DocreError, match=r"entities\.json"):
        docre.load(tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["task=relations"], "task: input should be 'entities'"),
        (["entities.sizes=3"], "unknown key 'entities.sizes' (did you mean 'size'?"),
        (["data.train=nowhere.json"], "nowhere.json"),
        (["data.stream=true"], "data.stream: not for an entity model, which would ignore it"),
        (["training.freeze=[encoder]"], "training.freeze: not for an entity model"),
        (["training.initial_weights=runs/a"], "training.initial_weights: not for an entity model"),
        (["training.max_pairs_per_batch=9"], "training.max_pairs_per_batch: not for an entity model"),
        (["evaluation.top_k=1"], "evaluation.top_k: not for an entity model"),
        (["loss.name=atl"], "unknown key 'loss'"),
    ],
)
def test_mistakes(changes, message, entity_corpus, tiny_encoder, tmp_path):
    path = write_config(tmp_path / "c.yaml", entity_corpus, tiny_encoder)
    with pytest.raises(DocreError) as error:
        train.main(["--config", str(path), *changes])
    assert message in str(error.value) and not (tmp_path / "entities").exists()


def test_one_kind_of_model_is_not_the_other(entity_run, entity_corpus):
    with pytest.raises(DocreError, match="the config of an entity model, which cannot be used here"):
        docre.load(entity_run)
    with pytest.raises(DocreError, match="the config of an entity model"):
        evaluate.main(["--checkpoint", str(entity_run), "--data", str(entity_corpus / "test.json")])


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("entities.json", '"same_threshold": ', '"same_threshold": 7', "same_threshold"),
        ("entities.json", '"types": [', '"types": ["x", ', "do not fit the model"),
        ("config.yaml", "size: 32", "size: 33", "do not fit the model"),
        ("config.yaml", "size: 32", "size: 16000000", "size: "),
    ],
)
def test_a_strangers_checkpoint(name, old, new, message, entity_run, tmp_path):
    """Its files are consistent with its manifest, but not with each other."""
    from docre.core.manifests import write_manifest

    folder = Path(shutil.copytree(entity_run / "best", tmp_path / "best"))
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    (folder / "manifest.json").unlink()
    write_manifest(folder)
    with pytest.raises(DocreError, match=message):
        load(folder)
