"""scripts/benchmark/distant.py: its recipe is one that docre accepts, and what it extrapolates."""

import json

import pytest

from docre.core.files import write_json
from docre.errors import DocreError
from docre.training.recipe import read_recipe
from scripts.benchmark import distant
from scripts.benchmark.distant import STAGES, Cost
from tests.conftest import ROOT

DATA = ROOT / "data/synthetic/train.json"


def test_the_recipe_has_every_stage(tiny_encoder, tmp_path):
    write_json(tmp_path / "documents.json", json.loads(DATA.read_text())[:2])
    write_json(tmp_path / "recipe.yaml", distant.recipe_of(tmp_path, str(tiny_encoder)))
    assert [stage.name for stage in read_recipe(tmp_path / "recipe.yaml").stages] == list(STAGES)


def test_costs_of_all_documents(tmp_path, monkeypatch, capsys):
    """2 s, 1 MB and some memory for whatever number of documents, and 0.5 s and 1 kB for each."""
    monkeypatch.setattr(
        distant, "measure", lambda d, encoder: {s: Cost(2 + len(d) / 2, 1e6 + 1e3 * len(d), 900.0) for s in STAGES}
    )
    output = tmp_path / "out.json"
    distant.main(["--data", str(DATA), "--sizes", "2", "10", "--output", str(output)])
    found = json.loads(output.read_text())["stages"]
    for name, count in (("student", 101_873), ("teacher", 3_053)):
        stage = found[name]
        assert stage["seconds"] == pytest.approx(2 + count / 2)
        assert stage["bytes"] == pytest.approx(1e6 + 1e3 * count)
        assert stage["documents"] == count and stage["megabytes"] == 900
    assert "| student | 101,873 | 0.10 GB | 900 MB | 14.1 h |" in capsys.readouterr().out
    with pytest.raises(DocreError, match="--sizes: expected two numbers that grow"):
        distant.main(["--data", str(DATA), "--sizes", "4", "4"])


def test_a_stage_that_fails_is_named(tiny_encoder):
    document = json.loads(DATA.read_text())[0] | {"sents": "no list"}
    with pytest.raises(DocreError, match=r"stage teacher: docre: error: .*sents"):
        distant.measure([document], str(tiny_encoder))
