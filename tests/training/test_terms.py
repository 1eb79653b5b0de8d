"""Terms in a run, evidence in its predictions, and an inference that is fitted: trained, resumed, loaded again."""

import json
import re

import pytest
import yaml

import docre
from docre.analysis.plots import available
from docre.commands import evaluate, fit, predict, report, train
from docre.config.loading import load_config
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from tests.tiny import random_documents


@pytest.fixture(scope="module")
def config(tiny_encoder, tmp_path_factory):
    """The config of a tiny run of DREEAM with evidence and fusion."""
    folder = tmp_path_factory.mktemp("terms")
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(folder / f"{split}.json", random_documents(8, seed=seed, sentences=4))
    values = {
        "output": str(folder / "run"),
        "data": {split: str(folder / f"{split}.json") for split in ("train", "dev", "test")},
        "encoder": {"name": str(tiny_encoder), "averaged_layers": 2},
        "model": {"name": "dreeam", "head_size": 16, "block_size": 4},
        "loss": {"name": "atgl", "alpha": 60.0},
        "terms": [{"name": "evidence", "weight": 0.5}],
        "inference": {"name": "fusion"},
        "training": {"epochs": 3, "encoder_lr": 1e-3, "head_lr": 2e-2},
        "evaluation": {"evidence_threshold": 0.2},
        "logging": {"every": 1},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(values))
    return folder / "c.yaml"


@pytest.fixture(scope="module")
def run(config):
    train.main(["--config", str(config)])
    return config.parent / "run"


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_each_term_is_logged_by_name(run):
    steps = [line for line in log(run) if line["event"] == "step"]
    assert len(steps) == 6
    for line in steps:
        assert line["loss"] == pytest.approx(line["loss/loss"] + 0.5 * line["loss/evidence"], rel=1e-5)
    assert steps[-1]["loss/evidence"] < steps[0]["loss/evidence"]


def test_evidence_is_predicted_and_scored(run):
    entries = json.loads((run / "result.json").read_text())
    assert entries and any(entry.get("evidence") for entry in entries)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["evidence"]["f1"] > 0
    assert metrics["inference"]["name"] == "fusion" and set(metrics["test_plain"]) == {"p", "r", "f1", "ign_f1"}


def test_the_checkpoint_predicts_with_what_was_fitted(run, config, tmp_path):
    model = docre.load(run, "cpu")
    metrics = json.loads((run / "metrics.json").read_text())
    assert model.inference.fitted == {"threshold": metrics["inference"]["threshold"]}
    predict.main(
        ["--checkpoint", str(run), "--input", str(config.parent / "test.json"), "--output", str(tmp_path / "r.json")]
    )
    assert (tmp_path / "r.json").read_bytes() == (run / "result.json").read_bytes()
    plain = docre.load(run, "cpu", changes=["inference.name=plain"])
    documents = docre.read(config.parent / "test.json")
    assert plain.predict(documents) != model.predict(documents)


def test_an_inference_is_fitted_later(run, config, tmp_path, capsys):
    """docre fit makes of a plain run what training with fusion makes."""
    other = tmp_path / "plain"
    train.main(["--config", str(config), f"output={other}", "inference.name=plain"])
    data = str(config.parent / "dev.json")
    with pytest.raises(DocreError, match="has to be fitted first: docre fit"):
        evaluate.main(["--checkpoint", str(other), "--data", data, "inference.name=fusion"])
    with pytest.raises(DocreError, match="'plain' has nothing to fit"):
        fit.main(["--checkpoint", str(other), "--data", data])
    before = load_config(saved := other / "best" / "config.yaml")
    only_here = ["evaluation.batch_size=1", "data.max_tokens=20"]
    for others in (only_here, []):
        fit.main(["--checkpoint", str(other), "--data", data, "inference.name=fusion", *others])
    after = load_config(saved)
    assert after.inference.name == "fusion" and after.model_copy(update={"inference": before.inference}) == before
    assert "predicts with fusion now; threshold" in capsys.readouterr().out
    assert docre.load(other, "cpu").inference.fitted == docre.load(run, "cpu").inference.fitted
    (other / "best" / "inference.json").write_text('{"name": "fusion", "threshold": "x"}')
    with pytest.raises(DocreError):
        docre.load(other, "cpu")


@pytest.mark.skipif(not available(), reason="needs matplotlib: pip install 'docre[plots]'")
def test_the_report_shows_evidence(run, config, tmp_path):
    report.main([str(run), "--output", str(tmp_path / "r.html")])
    text = (tmp_path / "r.html").read_text()
    assert "evidence F1" in text
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])
    shown = {
        (document["title"], *document["pairs"][int(pair)]): tuple(sentences)
        for document in data["documents"]
        for pair, sentences in document["runs"][0]["evidence"].items()
    }
    predicted = docre.load(run, "cpu").predict(docre.read(config.parent / "test.json"))
    expected = {(p.title, p.head, p.tail): p.evidence for of_doc in predicted for p in of_doc if p.evidence}
    assert shown == expected and len(expected) > 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("evaluation.evidence_threshold=null", "needs predicted evidence"),
        ("data.dev=null", "data.dev has none"),
        ("terms=[{name: other}]", "unknown term 'other'"),
        ("terms=[{name: evidence, weight: -1}]", "terms.0.weight"),
        ("terms=[{name: evidence, x: 1}]", "term 'evidence' has no parameter 'x'"),
        ("terms=[{name: evidence}, {name: evidence}]", "given twice"),
        ("terms=[{name: distil}]", "needs data.targets"),
        ("training.group_lr={map: 1}", "no group 'map'"),
        ("inference.name=other", "unknown inference 'other'"),
    ],
)
def test_bad_configs(change, message, config, tmp_path):
    with pytest.raises(DocreError, match=message):
        train.main(["--config", str(config), f"output={tmp_path / 'x'}", change])
    assert not (tmp_path / "x").exists()


def test_a_term_from_a_later_epoch_on(config, tmp_path):
    keys = ["terms=[{name: evidence, weight: 0.5, from_epoch: 3}]", "inference.name=plain"]
    train.main(["--config", str(config), f"output={tmp_path / 'x'}", *keys])
    steps = [line for line in log(tmp_path / "x") if line["event"] == "step"]
    assert ["loss/evidence" in line for line in steps] == [False] * 4 + [True] * 2
