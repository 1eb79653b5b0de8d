"""A recipe whose student learns from the targets of a teacher: teacher, targets, student, fine-tuning."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml

from docre.commands import recipe
from docre.data import targets
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.inference import targets as writing
from docre.training.recipe import read_recipe
from docre.training.stages import standings
from docre.training.stages import targets as targets_stage
from tests.children import Child, forks, together
from tests.tiny import RELATIONS, random_documents
from tests.training.test_resume import outcome
from tests.training.test_train import write_config

RUNS = ("teacher", "student", "finetune")
DOCUMENTS = 20


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (name, size) in enumerate({"train": 6, "distant": DOCUMENTS, "dev": 3, "test": 2}.items()):
        write_docred(folder / f"{name}.json", random_documents(size, seed=seed))
    (folder / "relations.json").write_text(json.dumps([{"id": relation} for relation in RELATIONS]))
    return folder


def write_recipe(folder: Path, corpus: Path, encoder: Path, **changes) -> Path:
    folder.mkdir(exist_ok=True)
    data = {split: str(corpus / f"{split}.json") for split in ("train", "dev", "test", "relations")}
    training = {"epochs": 1, "batch_size": 2, "encoder_lr": 1e-3, "head_lr": 2e-2, "save_every": 1}
    write_config(folder / "c.yaml", corpus, encoder, data=data, training=training)
    distant = str(corpus / "distant.json")
    student = {
        "data.train": distant,
        "data.stream": True,
        "data.targets": "${targets}",
        "terms": [{"name": "attention", "weight": 0.1}, {"name": "distil", "weight": 0.5}],
    }
    stages = [
        {"name": "teacher"},
        {"name": "targets", "targets": ["attention", "logits"], "checkpoint": "${teacher}", "data": distant} | changes,
        {"name": "student", "set": student},
        {"name": "finetune", "set": {"training.initial_weights": "${student}"}},
    ]
    values = {"output": str(folder / "out"), "config": "c.yaml", "stages": stages}
    (folder / "r.yaml").write_text(yaml.safe_dump(values))
    return folder / "r.yaml"


def small_shards() -> None:
    """A shard for every four documents, slowly enough to be stopped meanwhile."""
    real = writing.compute
    targets.SHARD_BYTES = 1
    writing.GROUP_DOCUMENTS = 4
    writing.compute = lambda *arguments: (time.sleep(0.05), real(*arguments))[1]


def results(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {name: outcome(folder / "out" / name) for name in RUNS}
    text = json.dumps({name: found[name].pop("log") for name in RUNS})  # type: ignore[attr-defined]
    files = {path.name: path.read_bytes() for path in (folder / "out" / "targets").iterdir() if path.name != ".lock"}
    return found | {"log": text.replace(str(folder), ""), "targets": files}


def states(path: Path) -> list[str]:
    return [standing.state for standing in standings(read_recipe(path).stages).values()]


@pytest.fixture(scope="module")
def whole(corpus, tiny_encoder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    child = Child(
        [str(write_recipe(folder, corpus, tiny_encoder))], folder / "o.txt", prepare=small_shards, main=recipe.main
    )
    assert child.wait() == 0, child.text()
    return folder


@forks
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_while_targets_are_written(number, whole, corpus, tiny_encoder, tmp_path):
    path = write_recipe(tmp_path, corpus, tiny_encoder)
    made = tmp_path / "out" / "targets"
    for shard in (1, 3):
        child = Child([str(path)], tmp_path / "o.txt", prepare=small_shards, main=recipe.main)
        while not (made / f"shard-0000{shard}.json").exists():
            assert child.poll() is None, child.text()
            time.sleep(0.001)
        os.kill(child.pid, number)
        assert child.wait() == (143 if number == signal.SIGTERM else -9)
        assert states(path) == ["finished", "interrupted", "new", "new"]
        if number == signal.SIGTERM:
            assert child.text().splitlines()[-1] == (
                f"docre: stopped while writing targets. They are in {made}: the same command resumes from there"
            )
    child = Child([str(path)], tmp_path / "o.txt", prepare=small_shards, main=recipe.main)
    assert child.wait() == 0, child.text()
    assert states(path) == ["finished"] * 4 and results(tmp_path) == results(whole)


def test_other_targets_make_the_student_stale(whole, corpus, tiny_encoder):
    path = write_recipe(whole, corpus, tiny_encoder, targets=["logits", "attention"])
    assert states(path) == ["finished"] * 4  # the order does not matter
    path = write_recipe(whole, corpus, tiny_encoder, targets=["logits"])
    with pytest.raises(
        DocreError, match=r"stale: targets \(.*\), student \(it takes from targets, which is stale\), fine"
    ):
        recipe.main([str(path)])
    write_recipe(whole, corpus, tiny_encoder)


def test_killed_while_old_targets_are_removed(whole, corpus, tiny_encoder, tmp_path, monkeypatch):
    """After each file, in the order in which they go, the same command still makes the new targets."""
    path = write_recipe(whole, corpus, tiny_encoder, targets=["logits"])
    (stage,) = (stage for stage in read_recipe(path).stages if stage.name == "targets")
    files = [file for file in stage.folder.iterdir() if file.name != ".lock"]
    real, old = targets_stage.remove, tmp_path / "old"
    shutil.copytree(stage.folder, old)
    for last in range(1, len(files)):
        left = [last]

        def removed(file: Path, left=left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(file)

        with monkeypatch.context() as patch:
            patch.setattr(targets_stage, "remove", removed)
            with pytest.raises(KeyboardInterrupt):
                stage.run(restart=True)
        assert stage.standing().state == "stale"
        stage.run(restart=True)
        assert stage.standing().state == "finished"
        shutil.rmtree(stage.folder)
        shutil.copytree(old, stage.folder)
    write_recipe(whole, corpus, tiny_encoder)


def test_plan(whole, corpus, tiny_encoder, tmp_path, capsys):
    def plan(path: Path) -> str:
        capsys.readouterr()
        recipe.main([str(path), "--plan", "--stage", "targets"])
        return capsys.readouterr().out.partition("targets:")[2]

    def lines(*rest: str) -> str:
        return "\n    ".join([" new", "takes from teacher", "attention, logits of 20 documents", *rest]) + "\n"

    path = write_recipe(tmp_path, corpus, tiny_encoder)
    time_is, disk_is = (
        "time: unknown until a stage that trains the checkpoint has saved a state",
        "disk: unknown until ",
    )
    assert plan(path) == lines(time_is, f"{disk_is}some are written")
    recipe.main([str(path), "--stage", "teacher"])
    assert re.sub(r"[\d.]+ (s|min),", "T,", plan(path)) == lines(
        "at most about T, that of training on as many in teacher", f"{disk_is}some are written"
    )
    child = Child([str(path)], tmp_path / "o.txt", prepare=small_shards, main=recipe.main)
    while not (tmp_path / "out" / "targets" / "shard-00001.json").exists():
        assert child.poll() is None, child.text()
        time.sleep(0.001)
    child.kill()
    found = re.search(
        r"interrupted\n.*, of which (8|12|16) are written\n.*\n    disk: (.*) kB, (.*) kB a document\n",
        plan(path),
        re.S,
    )
    assert float(found[2]) == pytest.approx(20 * float(found[3]), rel=0.05)
    used = sum(p.stat().st_size for p in (whole / "out" / "targets").glob("*.safetensors")) / 1000
    assert float(found[2]) == pytest.approx(used, rel=0.5)
    finished = plan(write_recipe(whole, corpus, tiny_encoder))
    assert f", of which 20 are written\n    disk: {used:.1f} kB, {used / 20:.1f} kB a document\n" in finished


@forks
def test_two_processes(whole, corpus, tiny_encoder, tmp_path):
    """The main process writes the targets, and both train."""
    path = write_recipe(tmp_path, corpus, tiny_encoder)
    children = together([str(path)], tmp_path, main=recipe.main)
    assert [child.wait() for child in children] == [0, 0], "\n".join(child.text() for child in children)
    assert states(path) == ["finished"] * 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": ["logits"]}, "stage 'targets': kind of stage 'targets' has no parameter 'target' (it takes: "),
        ({"targets": "logits"}, "stage 'targets': kind of stage 'targets', parameter 'targets'"),
        ({"data": "nowhere.json"}, "targets: data: nowhere.json: no such file"),
        ({"checkpoint": "nowhere"}, "targets: nowhere: not a checkpoint"),
        ({"reader": "x"}, "targets: unknown reader 'x'"),
        ({"targets": []}, "targets: targets: expected names"),
        ({"data": None}, "student: data.targets: stage targets makes targets for"),
    ],
)
def test_mistakes(changes, message, corpus, tiny_encoder, tmp_path):
    path = write_recipe(tmp_path, corpus, tiny_encoder, **changes)
    if "checkpoint" in changes:
        path.write_text(path.read_text().replace("${teacher}", "nowhere"))
    with pytest.raises(DocreError) as error:
        recipe.main([str(path)])
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()
