"""Bad input: one line that says where and what, exit code 2, nothing written."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docre.__main__ import COMMANDS, main
from docre.commands import train
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from tests.conftest import ROOT
from tests.tiny import random_documents
from tests.training.test_train import write_config


@pytest.fixture
def good(tmp_path, tiny_encoder) -> Path:
    """A config that would run."""
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(tmp_path / f"{split}.json", random_documents(4, seed=seed))
    return write_config(tmp_path / "config.yaml", tmp_path, tiny_encoder)


def change(path: Path, edit) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def set_pos(documents):
    documents[1]["vertexSet"][2][0]["pos"] = [3, 99]


def set_head(documents):
    documents[1]["labels"][0]["h"] = 77


def set_relation(documents):
    documents[1]["labels"][0]["r"] = "P999"


CASES = {
    "missing file": (lambda f: (f / "dev.json").unlink(), [], ["dev.json", "No such file"]),
    "broken JSON": (lambda f: (f / "test.json").write_text('[\n{"title":'), [], ["test.json", "line 2", "JSON"]),
    "mention outside": (
        lambda f: change(f / "train.json", set_pos),
        [],
        ["train.json", "doc 1", "entity 2, mention 0"],
    ),
    "entity index": (lambda f: change(f / "train.json", set_head), [], ["train.json", "doc 1", "label 0", "entity 77"]),
    "unknown relation": (
        lambda f: [
            change(f / "test.json", set_relation),
            (f / "rel.json").write_text(json.dumps({f"P{i}": f"name {i}" for i in range(1, 6)})),
        ],
        ["data.relations={folder}/rel.json"],
        ["test.json", "doc 2001", "label 0", "P999"],
    ),
    "unknown key": (lambda f: None, ["training.epoch=3"], ["training.epoch", "epochs"]),
    "wrong type": (lambda f: None, ["training.epochs=many"], ["training.epochs", "integer", "many"]),
    "unknown loss": (lambda f: None, ["loss.name=atlx"], ["unknown loss 'atlx'", "atgl"]),
    "unknown loss parameter": (lambda f: None, ["loss.beta=3"], ["'atgl'", "'beta'", "alpha"]),
    "mistyped loss parameter": (lambda f: None, ["loss.alpha=high"], ["'atgl'", "'alpha'", "high"]),
    "unknown model": (lambda f: None, ["model.name=m"], ["unknown model 'm'", "atlop"]),
    "unknown reader": (lambda f: None, ["data.reader=xml"], ["unknown reader 'xml'", "docred"]),
    "unknown encoder": (lambda f: None, ["encoder.name=package:nothing/here"], ["package:nothing/here", "nothing"]),
    "too many layers": (lambda f: None, ["encoder.averaged_layers=9"], ["averaged_layers", "1 to 4"]),
    "block size": (lambda f: None, ["model.block_size=5"], ["head_size", "block_size"]),
    "too few documents": (lambda f: None, ["training.batch_size=5"], ["4 training documents", "batch_size"]),
    "no labels": (
        lambda f: write_docred(f / "train.json", random_documents(4, labeled=False)),
        [],
        ["train.json", "no labels"],
    ),
    "no dev labels": (
        lambda f: write_docred(f / "dev.json", random_documents(4, labeled=False)),
        [],
        ["dev.json", "label"],
    ),
    "no documents": (lambda f: (f / "train.json").write_text("[]"), [], ["train.json: no documents", "data.train"]),
    "no dev documents": (lambda f: (f / "dev.json").write_text("[]"), [], ["dev.json: no documents", "data.dev"]),
    "output is a file": (lambda f: (f / "run").write_text(""), [], ["run", "cannot write"]),
}


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_nothing_written(name, good):
    folder = good.parent
    spoil, overrides, expected = CASES[name]
    spoil(folder)
    before = sorted(folder.rglob("*"))
    with pytest.raises(DocreError) as error:
        train.main(["--config", str(good), *(o.format(folder=folder) for o in overrides)])
    message = str(error.value)
    assert "\n" not in message
    for part in expected:
        assert part in message
    assert sorted(folder.rglob("*")) == before


def test_exit_code_and_no_traceback(good):
    """The same from the shell, once: exit code 2, one line."""
    good.write_text(yaml.safe_dump(yaml.safe_load(good.read_text()) | {"sed": 3}))
    command = [sys.executable, "-m", "docre.train", "--config", str(good)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "unknown key 'sed' (did you mean 'seed'?" in done.stderr
    assert not (good.parent / "run").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: docre {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_second_checkpoint_is_taken_or_refused(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    usage = " ".join(capsys.readouterr().out.split())
    if "--checkpoint DIR" not in usage or "repeated, an ensemble" in usage:
        return
    with pytest.raises(SystemExit) as caught:
        main([command, "--checkpoint", "a", "--checkpoint", "b"])
    assert caught.value.code == 2 and "--checkpoint: given twice" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["trian"], ["--verison"]])
def test_the_door_itself(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    assert end.value.code == (0 if arguments in (["--help"], ["--version"]) else 2)
    assert all(name in out for name in COMMANDS) or arguments != ["--help"]
    assert "did you mean 'train'?" in err or arguments != ["trian"]


@pytest.mark.parametrize("name", ["train", "evaluate", "predict"])
def test_modules_that_are_run_with_python_m(name):
    """`python -m docre.train` is how papers and launchers will go on calling it."""
    done = subprocess.run([sys.executable, "-m", f"docre.{name}", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and f"usage: docre {name}" in done.stdout


def test_every_command_is_in_the_readme():
    named = set(re.findall(r"docre ([\w-]+)", (ROOT / "README.md").read_text()))
    assert set(COMMANDS) <= named


@pytest.mark.parametrize("content", [None, "directory", "empty", "weights", "relations"])
def test_not_a_checkpoint(content, tmp_path, tiny_encoder):
    import docre

    if content is not None:
        (tmp_path / "c").mkdir()
    if content in ("weights", "relations"):
        (tmp_path / "c" / "config.yaml").write_text(
            "output: x\ndata: {train: x}\nencoder: {name: x}\nloss: {name: atl}\n"
        )
        (tmp_path / "c" / "model.safetensors").write_bytes(b"nonsense")
        (tmp_path / "c" / "encoder").symlink_to(tiny_encoder)
    if content == "weights":
        (tmp_path / "c" / "relations.json").write_text('[{"id": "P1", "name": "x"}]')
    if content == "empty":
        (tmp_path / "c" / "config.yaml").write_text("")
        (tmp_path / "c" / "model.safetensors").write_bytes(b"")
    with pytest.raises(DocreError, match=str(tmp_path / "c")):
        docre.load(tmp_path / "c")
