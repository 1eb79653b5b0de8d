"""A recipe whose student learns from the labels that a teacher predicts, and `docre label`, which writes the same."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import docre
from docre.commands import calibrate, label, predict, recipe, train
from docre.core.manifests import locked
from docre.data import partial
from docre.data.readers import read
from docre.data.readers.docred import to_json, write_docred
from docre.errors import DocreError
from docre.inference import labeling
from docre.training.recipe import read_recipe
from docre.training.stages import standings
from tests.children import Child, forks
from tests.conftest import ROOT
from tests.tiny import random_document, random_documents
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


def test_an_interrupted_stage_goes_on(path, tmp_path, monkeypatch, capsys):
    """Each document is labeled once, in spite of interruptions while parts of it were written."""
    recipe.main([str(path), f"output={tmp_path / 'whole'}"])
    labeled: list[str] = []
    real, write = labeling.label, partial.write_json

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    def one(predictor, documents):
        labeled.extend(document.title for document in documents)
        return real(predictor, documents)

    monkeypatch.setattr(labeling, "PART_DOCUMENTS", 2)
    monkeypatch.setattr(labeling, "label", one)
    folder, titles = tmp_path / "out" / "silver", [document.title for document in read(tmp_path / "plain.json")]
    for owner, name, replacement, written in (
        (partial, "write_json", stop, 0),  # documents are there, but not the note of it
        (labeling, "label", lambda *given: one(*given) if len(labeled) < 4 else stop(), 2),
        (partial.DocumentWriter, "finish", stop, 5),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, replacement)
            with pytest.raises(KeyboardInterrupt):
                recipe.main([str(path), "--stage", "silver"])
        assert not (folder / "documents.json").exists()
        assert states(path) == ["finished", "interrupted" if written else "new", "new"]
        recipe.main([str(path), "--plan"])
        told = f"labels of 5 documents, of which {written} are written" if written else "labels of 5 documents"
        assert told in map(str.strip, capsys.readouterr().out.splitlines())
    assert labeled == titles[:2] + titles  # the first two again, as nobody noted that they were written
    recipe.main([str(path)])
    assert states(path) == ["finished"] * 3 and len(labeled) == 7 and write is partial.write_json
    assert (folder / "documents.json").read_bytes() == (tmp_path / "whole/silver/documents.json").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "documents.json", "origin.json"]


@pytest.fixture(scope="module")
def teacher(tiny_encoder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    for seed, (name, size) in enumerate({"train": 6, "plain": 19, "dev": 3, "test": 2}.items()):
        write_docred(folder / f"{name}.json", random_documents(size, seed=seed, labeled=name != "plain"))
    path = write_config(folder / "c.yaml", folder, tiny_encoder, training=TRAINING, evaluation={"top_k": 0})
    train.main(["--config", str(path)])
    return folder


def slow_parts() -> None:
    """Parts of two documents, each written slowly."""
    labeling.PART_DOCUMENTS = 2
    write = partial.write_json
    partial.write_json = lambda *given: (time.sleep(0.02), write(*given))[1]  # type: ignore[func-returns-value]


@forks
def test_killed_and_resumed_the_file_is_the_same(teacher, tmp_path):
    """kill -9 at any moment, also while a part is being written: no file until it is whole, and then the same bytes."""
    plain, whole, parts = teacher / "plain.json", tmp_path / "whole.json", tmp_path / "parts.json"

    def arguments(output: Path, *more: str) -> list[str]:
        return ["--checkpoint", str(teacher / "run"), "--input", str(plain), "--output", str(output), *more]

    def done() -> int:
        return partial.read_progress(parts).get("documents", 0)

    label.main(arguments(whole))
    made = labeling.label(docre.load(teacher / "run"), read(plain))
    write_docred(tmp_path / "memory.json", made)
    assert whole.read_bytes() == (tmp_path / "memory.json").read_bytes() and any(document.triples for document in made)
    for number in (2, 6, 8, 14):
        child = Child(arguments(parts), tmp_path / "out.txt", prepare=slow_parts, main=label.main)
        while done() < number:
            assert child.poll() is None, child.text()
            time.sleep(0.002)
        time.sleep(0.007 * (number % 4))
        child.kill()
        assert number <= done() and not parts.exists()
    label.main(arguments(parts))
    assert parts.read_bytes() == whole.read_bytes() and not partial.partial_folder(parts).exists()


def test_what_others_left_is_not_taken(teacher, tmp_path, monkeypatch):
    """Parts of another file, or with other options, are written anew."""
    output, other = tmp_path / "labeled.json", tmp_path / "other.json"
    write_docred(other, random_documents(4, seed=5, labeled=False))
    command = ["--checkpoint", str(teacher / "run"), "--output", str(output), "--input"]
    monkeypatch.setattr(labeling, "PART_DOCUMENTS", 3)

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    def interrupt(*arguments: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(partial.DocumentWriter, "finish", stop)
            with pytest.raises(KeyboardInterrupt):
                label.main([*command, *arguments])

    interrupt(str(teacher / "plain.json"))
    interrupt(str(other), "evaluation.top_k=1")
    label.main([*command, str(other)])
    write_docred(tmp_path / "memory.json", labeling.label(docre.load(teacher / "run"), read(other)))
    assert output.read_bytes() == (tmp_path / "memory.json").read_bytes()
    write_docred(other, [])
    label.main([*command, str(other)])
    assert output.read_text() == "[]\n"
    (tmp_path / "other.json").write_text('[{"title": "a"}]')
    with pytest.raises(DocreError, match=r"other\.json: document 'a': "):
        label.main([*command, str(other)])
    assert output.read_text() == "[]\n" and not partial.partial_folder(output).exists()


def test_one_process_writes_a_file_at_a_time(teacher, tmp_path):
    output = tmp_path / "labeled.json"
    with locked(partial.partial_folder(output)), pytest.raises(DocreError, match="another process is writing there"):
        label.main(
            ["--checkpoint", str(teacher / "run"), "--output", str(output), "--input", str(teacher / "plain.json")]
        )


def test_a_file_that_changes_while_it_is_read(teacher, tmp_path, monkeypatch):
    data = tmp_path / "data.json"
    data.write_bytes((teacher / "plain.json").read_bytes())
    real = labeling.label

    def change(*given):
        write_docred(data, random_documents(2, seed=5, labeled=False))
        return real(*given)

    monkeypatch.setattr(labeling, "label", change)
    with pytest.raises(DocreError, match=r"data\.json: changed since the command began to read it"):
        label.main(
            ["--checkpoint", str(teacher / "run"), "--output", str(tmp_path / "labeled.json"), "--input", str(data)]
        )
    assert not (tmp_path / "labeled.json").exists()


PEAK = """
import sys, torch
from docre.commands import label
from docre.core.memory import peak_memory
from docre.inference import labeling

real = labeling.label
labeling.label = lambda predictor, documents: [*real(predictor, documents[:9]), *documents[9:]]  # it would take minutes
torch.set_num_threads(1)
label.main(sys.argv[1:])
print(peak_memory(torch.device("cpu")))
"""


@pytest.mark.slow
def test_memory_does_not_depend_on_the_number_of_documents(teacher, tmp_path):
    """The peak of reading, labeling (a few documents of each part) and writing."""
    text, peaks = json.dumps(to_json(random_document(1, entities=2, sentences=20))), {}
    for count in (1_000, 20_000):
        (tmp_path / "d.json").write_text("[" + ",".join(text.replace("doc 1", f"doc {i}") for i in range(count)) + "]")
        arguments = ["--checkpoint", str(teacher / "run"), "--input", "d.json", "--output", "labeled.json"]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr
        assert f" labels of {count} documents" in done.stdout
        peaks[count] = float(done.stdout.split()[-1])
    assert peaks[20_000] < 1.1 * peaks[1_000], peaks


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
