"""The log: JSON lines, and Weights & Biases only when a project is named."""

import json
import sys
import types

import pytest

from docre.errors import DocreError
from docre.training.log import RunLog


def test_lines_are_json_and_wandb_is_not_touched(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it would fail
    log = RunLog(tmp_path / "log.jsonl")
    log.write("epoch", loss=0.5, epoch=1)
    log.close()
    (line,) = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert (line["event"], line["loss"], line["epoch"]) == ("epoch", 0.5, 1) and line["seconds"] >= 0


def test_wandb_gets_every_line(tmp_path, monkeypatch):
    told = []
    run = types.SimpleNamespace(log=told.append, finish=lambda: told.append("finished"))
    module = types.SimpleNamespace(init=lambda **options: told.append(options) or run)
    monkeypatch.setitem(sys.modules, "wandb", module)
    log = RunLog(tmp_path / "log.jsonl", "my-project", {"seed": 66})
    log.write("step", loss=0.5)
    log.close()
    options, values, end = told
    assert options["project"] == "my-project" and options["config"] == {"seed": 66}
    assert values == {"step/loss": 0.5} and end == "finished"


def test_wandb_that_is_not_installed_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(DocreError, match="wandb is not installed"):
        RunLog(tmp_path / "log.jsonl", "my-project")


def test_other_processes_are_silent(capsys):
    log = RunLog(None, "my-project")
    log.write("epoch", "text", loss=1.0)
    log.close()
    assert capsys.readouterr().out == ""
