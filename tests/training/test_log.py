"""The log: JSON lines for people and programs, numbers for trackers."""

import json

from docre.training.log import RunLog


def test_lines_are_json(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    log.write("epoch", loss=0.5, epoch=1)
    log.close()
    (line,) = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert (line["event"], line["loss"], line["epoch"]) == ("epoch", 0.5, 1) and line["seconds"] >= 0


def test_trackers_get_the_numbers_of_every_line(tmp_path):
    told = []
    log = RunLog(tmp_path / "log.jsonl", lambda values, step: told.append((values, step)))
    log.write("step", loss=0.5, step=7, lr=None)
    log.write("test", f1=0.25, table="a table")
    log.close()
    assert told == [({"step/loss": 0.5, "step/step": 7}, 7), ({"test/f1": 0.25}, None)]


def test_other_processes_are_silent(capsys):
    log = RunLog(None, lambda values, step: None)
    log.write("epoch", "text", loss=1.0)
    log.close()
    assert capsys.readouterr().out == ""
