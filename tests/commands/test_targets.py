"""docre targets: what it writes is what the model says, also after a real kill; a student trains on it."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

import docre
from docre.commands import recipe, targets, train
from docre.core.manifests import check_folder
from docre.data import targets as store
from docre.data.readers.docred import write_docred
from docre.data.targets import TargetStore
from docre.errors import DocreError
from docre.inference import targets as teaching
from tests.children import Child, forks, together
from tests.inference.test_predictor import make
from tests.tiny import random_documents, save_tiny_encoder
from tests.training.test_resume import outcome
from tests.training.test_train import write_config

TRAINING = {"epochs": 1, "batch_size": 4, "encoder_lr": 1e-3, "head_lr": 2e-2}
TERMS = [{"name": "distil", "weight": 0.5}, {"name": "attention", "weight": 0.1}]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (split, size) in enumerate({"train": 12, "dev": 4, "test": 2, "distant": 76}.items()):
        write_docred(folder / f"{split}.json", random_documents(size, seed=seed))
    return folder


def config(path: Path, corpus: Path, encoder: Path, train_file: str = "train", data=(), **changes) -> Path:
    files = {"train": train_file, "dev": "dev", "test": "test"}
    values = {split: str(corpus / f"{name}.json") for split, name in files.items()} | dict(data)
    model = {"name": "dreeam", "head_size": 16, "block_size": 4}
    return write_config(path, corpus, encoder, **({"data": values, "model": model, "training": TRAINING} | changes))


@pytest.fixture(scope="module")
def teacher(corpus, tiny_encoder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    train.main(["--config", str(config(folder / "c.yaml", corpus, tiny_encoder))])
    return folder / "run"


def arguments(teacher: Path, data: Path, output: Path, names: str = "logits,attention") -> list[str]:
    return ["--checkpoint", str(teacher), "--data", str(data), "--output", str(output), "--targets", names]


@pytest.fixture(scope="module")
def written(teacher, corpus, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("targets") / "t"
    targets.main(arguments(teacher, corpus / "distant.json", folder))
    return folder


@pytest.mark.parametrize("limit", ["null", "7"])
def test_what_the_model_says(limit, teacher, corpus, written, tmp_path):
    """Logits and attention of each document alone; also where the pairs of a document are computed in parts."""
    if limit != "null":
        targets.main(
            [*arguments(teacher, corpus / "dev.json", tmp_path / "t"), f"evaluation.max_pairs_per_batch={limit}"]
        )
    found = TargetStore(written if limit == "null" else tmp_path / "t")
    model = docre.load(teacher, "cpu")
    for document in docre.read(corpus / ("distant.json" if limit == "null" else "dev.json"))[:20]:
        (features,) = model.featurize([document])
        got = found.attach(features, ["logits", "attention"]).targets
        output = model.output(model.collate([features]), frozenset({"attention"}))
        np.testing.assert_allclose(got["logits"], output.logits.numpy(), atol=1e-5)
        np.testing.assert_allclose(got["attention"], output.attention.numpy(), atol=1e-3)
        assert got["logits"].dtype == np.float32 and got["attention"].dtype == np.float16


def test_documents_without_pairs(teacher, tmp_path):
    write_docred(tmp_path / "f.json", random_documents(3, entities=1) + random_documents(2, seed=4))
    targets.main(arguments(teacher, tmp_path / "f.json", tmp_path / "t"))
    found, model = TargetStore(tmp_path / "t"), docre.load(teacher, "cpu")
    for features in model.featurize(docre.read(tmp_path / "f.json")):
        got = found.attach(features, ["logits", "attention"]).targets
        assert got["logits"].shape == (len(features.pairs), 6)


def slow_shards() -> None:
    """Make every group of four documents a shard, and slow down the writing of it."""
    store.SHARD_BYTES, teaching.GROUP_DOCUMENTS = 1, 4
    describe = store.described
    store.described = lambda path: (time.sleep(0.02), describe(path))[1]  # type: ignore[func-returns-value]


@forks
def test_killed_and_resumed_it_is_the_same(teacher, corpus, tmp_path):
    """kill -9 at any moment after some shards, also while one is being written."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    def start(folder: Path) -> Child:
        command = arguments(teacher, corpus / "distant.json", folder)
        return Child(command, tmp_path / "out.txt", prepare=slow_shards, main=targets.main)

    assert start(whole).wait() == 0
    for shards in (1, 3, 8, 9, 17):
        child = start(parts)
        while len(list(parts.glob("shard-*.json"))) < shards:
            assert child.poll() is None, child.text()
            time.sleep(0.002)
        time.sleep(0.007 * (shards % 4))
        child.kill()
        with pytest.raises(DocreError, match="its targets are not complete: docre targets goes on where it stopped"):
            TargetStore(parts)
    assert start(parts).wait() == 0
    assert check_folder(parts) == check_folder(whole) and len(list(whole.glob("*.safetensors"))) == 19


def test_a_finished_folder_is_left_as_it_is(teacher, corpus, written, capsys):
    before = {path: path.stat().st_mtime_ns for path in written.iterdir() if path.name.startswith(("shard", "manif"))}
    targets.main(arguments(teacher, corpus / "distant.json", written))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert f"{written}: logits, attention of 76 documents" in capsys.readouterr().out
    with pytest.raises(DocreError, match="holds other targets: data was"):
        targets.main(arguments(teacher, corpus / "dev.json", written))


def test_mistakes_before_anything_is_written(teacher, corpus, tmp_path):
    twice = random_documents(3) + random_documents(1)
    write_docred(tmp_path / "twice.json", twice)
    for data, names, message in (
        (tmp_path / "twice.json", "logits", "twice.json: two documents have the title 'doc 0'"),
        (corpus / "dev.json", "logits,logit", "targets: expected some of logits, attention, got 'logit'"),
        (tmp_path / "none.json", "logits", "none.json: No such file"),
    ):
        with pytest.raises(DocreError, match=message):
            targets.main(arguments(teacher, data, tmp_path / "t", names))
        assert not (tmp_path / "t").exists()


def test_a_student_learns_from_them(corpus, written, tiny_encoder, tmp_path):
    """In memory, and streamed with workers: the same."""
    path = config(tmp_path / "c.yaml", corpus, tiny_encoder, "distant", {"targets": str(written)}, terms=TERMS)
    train.main(["--config", str(path)])
    train.main(["--config", str(path), f"output={tmp_path / 'other'}", "data.stream=true", "training.workers=2"])
    assert outcome(tmp_path / "other") == outcome(tmp_path / "run")


def test_the_targets_are_those_of_the_document(teacher, corpus, written, tmp_path):
    """A student that is the teacher, without dropout, does not differ from it."""
    still = save_tiny_encoder(tmp_path / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    training = TRAINING | {"encoder_lr": 0.0, "head_lr": 0.0, "initial_weights": str(teacher)}
    data = {"targets": str(written), "stream": True}
    train.main(
        ["--config", str(config(tmp_path / "c.yaml", corpus, still, "distant", data, terms=TERMS, training=training))]
    )
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in log if line["event"] == "step"]
    assert all(abs(line["loss/distil"]) < 1e-9 and abs(line["loss/attention"]) < 1e-4 for line in steps) and steps


@forks
def test_a_student_of_two_processes(corpus, teacher, tmp_path):
    """The same losses, whichever process reads the targets of a document."""
    encoder = save_tiny_encoder(tmp_path / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    targets.main(arguments(teacher, corpus / "train.json", tmp_path / "t"))
    losses = []
    for processes in (1, 2):
        run, training = tmp_path / str(processes), TRAINING | {"batch_size": 4 // processes}
        data = {"targets": str(tmp_path / "t"), "stream": True}
        changes = {"output": str(run), "terms": TERMS, "training": training}
        path = config(tmp_path / f"{processes}.yaml", corpus, encoder, "train", data, **changes)
        children = together(["--config", str(path)], tmp_path, processes)
        assert [child.wait() for child in children] == [0] * processes, [child.text() for child in children]
        log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        losses.append([line[f"loss/{term['name']}"] for line in log if line["event"] == "step" for term in TERMS])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4, abs=1e-6)


def test_targets_that_do_not_fit_the_run(corpus, written, tiny_encoder, tmp_path):
    for train_file, change, message in (
        ("train", [], "does not fit this run: data was"),
        ("distant", ["data.max_tokens=40"], "does not fit this run: max_tokens was 1024, now it is 40"),
        ("distant", ["data.targets=null"], "term 'distil' needs data.targets"),
        ("distant", [f"data.targets={tmp_path}"], "no targets in it"),
    ):
        path = config(tmp_path / "c.yaml", corpus, tiny_encoder, train_file, {"targets": str(written)}, terms=TERMS)
        with pytest.raises(DocreError, match=message):
            train.main(["--config", str(path), *change])
        assert not (tmp_path / "run").exists()


RECIPE = """
output: {folder}/out
config: {folder}/c.yaml
stages:
  - name: teacher
    set: {{data.train: {corpus}/train.json}}
  - name: left
    targets: [logits, attention]
    checkpoint: ${{teacher}}
    data: {corpus}/dev.json
  - name: student
    set:
      data.train: {corpus}/dev.json
      data.targets: ${{left}}
      data.stream: true
      terms: [{{name: distil}}, {{name: attention, weight: 0.1}}]
"""


def test_a_stage_of_a_recipe(corpus, tiny_encoder, tmp_path, capsys):
    config(tmp_path / "c.yaml", corpus, tiny_encoder)
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE.format(folder=tmp_path, corpus=corpus))
    recipe.main([str(path), "--plan"])
    assert "left: new\n    takes from teacher\n    logits, attention of 4 documents\n" in capsys.readouterr().out
    recipe.main([str(path)])
    recipe.main([str(path), "--plan"])
    assert [line for line in capsys.readouterr().out.splitlines() if line.endswith(": finished")] == [
        "teacher: finished",
        "left: finished",
        "student: finished",
    ]
    (tmp_path / "out" / "left" / "manifest.json").unlink()
    recipe.main([str(path), "--plan"])
    assert "left: interrupted\n" in capsys.readouterr().out
    recipe.main([str(path), "--stage", "left"])
    path.write_text(RECIPE.format(folder=tmp_path, corpus=corpus).replace("[logits, attention]", "[logits]"))
    with pytest.raises(
        DocreError, match=r"stale: left \(targets was \['attention', 'logits'\], now it is \['logits'\]\)"
    ):
        recipe.main([str(path)])


def test_what_a_model_gives_only_in_training_is_no_target(tiny_encoder):
    model = {"name": "vaediff", "generator": "untrained", "head_size": 16, "block_size": 4, "axial_heads": 4}
    predictor = make(tiny_encoder, model=model)
    features = predictor.featurize(random_documents(2))
    with pytest.raises(DocreError, match="targets: the model gives 'augmented_logits' only while it is trained"):
        teaching.compute(predictor, features, ["logits", "augmented_logits"])
