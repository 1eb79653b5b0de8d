"""What an earlier version of docre wrote still loads, predicts the same and is gone on with.

fixtures/run_of_version_0_1.zip was made at commit 451c2c3 with tests/tiny.py: an encoder, documents, a config.yaml, and
its run twice, once finished and once interrupted after step 4 of 9.
"""

import json
import shutil
import zipfile
from itertools import chain
from pathlib import Path

import pytest

import docre
from docre.commands import train
from docre.errors import DocreError


@pytest.fixture
def earlier(fixtures, tmp_path, monkeypatch) -> Path:
    """The folder in which the runs were started; the working directory."""
    with zipfile.ZipFile(fixtures / "run_of_version_0_1.zip") as archive:
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def triples(result: list[dict]) -> set[tuple]:
    return {(entry["title"], entry["h_idx"], entry["t_idx"], entry["r"]) for entry in result}


def test_checkpoint_predicts_the_same(earlier):
    model = docre.load("finished", "cpu", ["training.precision=fp32"])
    found = chain.from_iterable(model.predict(docre.read("test.json")))
    written = json.loads(Path("finished/result.json").read_text())
    assert len(written) > 100
    assert {(p.title, p.head, p.tail, p.relation) for p in found} == triples(written)


def test_finished_run_is_not_run_again(earlier, capsys):
    shutil.move("finished", "run")
    train.main(["--config", "config.yaml"])
    assert "run is finished: nothing to do" in capsys.readouterr().out


def test_interrupted_run_goes_on(earlier, monkeypatch):
    """To the numbers of the one that was not interrupted, up to the rounding of another processor. It was started in
    fp32, when auto was that on every CPU."""
    shutil.move("interrupted", "run")
    monkeypatch.setattr("docre.models.precision.bf16_pays", lambda: True)
    with pytest.raises(DocreError, match=r"another precision: fp32, now bf16 \(training.precision=fp32"):
        train.main(["--config", "config.yaml"])
    train.main(["--config", "config.yaml", "training.precision=fp32"])
    now, before = (json.loads(Path(run, "metrics.json").read_text()) for run in ("run", "finished"))
    log = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if line["event"] == "resume"] == [4]
    for epoch, expected in zip(now["epochs"], before["epochs"], strict=True):
        assert epoch == pytest.approx(expected, rel=1e-4)
    written = [triples(json.loads(Path(run, "result.json").read_text())) for run in ("run", "finished")]
    assert written[0] == written[1]
