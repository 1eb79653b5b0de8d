"""docre compare: models over seeds, as tables for papers."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from docre.commands import compare, train
from docre.errors import DocreError
from docre.evaluation.seeds_table import FORMATS
from tests.analysis.conftest import config, corpus  # noqa: F401  # fixtures


@pytest.fixture(scope="module")
def runs(config, tmp_path_factory) -> Path:  # noqa: F811
    """The folder of two runs of each of two models."""
    folder = tmp_path_factory.mktemp("runs")
    for loss in ("atl", "atgl"):
        for seed in (1, 2):
            keys = [f"loss.name={loss}", f"seed={seed}", f"output={folder / f'{loss}-{seed}'}"]
            train.main(["--config", str(config), *keys])
    return folder


def test_a_run_counts_once(runs, monkeypatch):
    monkeypatch.chdir(runs)
    with pytest.raises(DocreError, match="atl-1: given twice"):
        compare.main([str(runs / "atl-1"), "b=atl-1/"])


def test_a_run_that_was_trained_twice_counts_once(runs, tmp_path):
    shutil.copytree(runs / "atl-1", tmp_path / "again")
    with pytest.raises(DocreError, match=r"again: has the config and the seed \(1\) of .*atl-1; give one of them"):
        compare.main([str(runs / "atl-1"), str(runs / "atl-2"), str(tmp_path / "again")])
    compare.main([f"one={runs / 'atl-1'}", f"other={tmp_path / 'again'}", "--samples", "50"])


def test_runs_that_differ_in_what_changes_no_numbers_are_of_one_model(runs, tmp_path):
    """Another number of workers is no other model; and with the same seed the run was trained twice."""
    again = Path(shutil.copytree(runs / "atl-1", tmp_path / "again"))
    text = (again / "config.yaml").read_text()
    assert "workers: 0" in text
    (again / "config.yaml").write_text(text.replace("workers: 0", "workers: 1"))
    with pytest.raises(DocreError, match=r"again: has the config and the seed"):
        compare.main([str(runs / "atl-1"), str(runs / "atl-2"), str(again)])


def folders(runs: Path) -> list[str]:
    return [str(runs / name) for name in ("atl-1", "atl-2", "atgl-1", "atgl-2")]


def test_tables(runs, tmp_path, capsys):
    compare.main(
        [*folders(runs), "--json", str(tmp_path / "c.json"), "--samples", "200", "--plot", str(tmp_path / "p.png")]
    )
    said = capsys.readouterr().out
    rows = json.loads((tmp_path / "c.json").read_text())
    f1 = {p.name: json.loads((p / "metrics.json").read_text())["test"] for p in runs.iterdir()}
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    for row, loss in zip(rows, ("atl", "atgl"), strict=True):
        assert row["name"].split()[0] == loss
        assert row["f1"]["values"] == [pytest.approx(f1[f"{loss}-{seed}"]["f1"]) for seed in (1, 2)]
        assert row["ign_f1"]["mean"] == pytest.approx(sum(f1[f"{loss}-{s}"]["ign_f1"] for s in (1, 2)) / 2)
        assert f"{100 * row['f1']['mean']:.2f} ± {100 * row['f1']['std']:.2f}" in said
    (compared,) = [row for row in rows if row["difference"]]
    best = max(rows, key=lambda row: row["f1"]["mean"])
    assert compared is not best or rows[0]["f1"] == rows[1]["f1"]
    assert compared["difference"]["low"] <= compared["difference"]["value"] <= compared["difference"]["high"]
    assert "seeds each are enough" in said or "no number of seeds is enough" in said


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name, runs, tmp_path, capsys):
    labels = [f"{'A_1' if 'atl' in path else 'B & C'}={path}" for path in folders(runs)]
    file = tmp_path / "table"
    compare.main([*labels, "--against", "A_1", "--format", name, "--output", str(file), "--samples", "50"])
    table = file.read_text()
    assert table.strip() in capsys.readouterr().out
    if name == "latex":
        assert "A\\_1 & $" in table and "B \\& C" in table
        assert table.count("\\mathbf{") == 2 and table.count("\\pm") == 4
        assert table.count("\\\\\n") == 3
    if name == "markdown":
        assert len({line.count("|") for line in table.splitlines()}) == 1 and table.count("**") == 4
    if name == "csv":
        (a, b) = csv.DictReader(io.StringIO(table))
        assert a["model"] == "A_1" and not a["p"] and 0 <= float(b["p"]) <= 1 and float(b["f1"]) <= 1


def test_mistakes(runs, tmp_path):
    with pytest.raises(DocreError, match=r"no config\.yaml, so not the folder of a finished run"):
        compare.main([str(tmp_path)])
    with pytest.raises(DocreError, match="--against: expected one of 'x', got 'y'"):
        compare.main([f"x={runs / 'atl-1'}", "--against", "y"])
    with pytest.raises(DocreError, match="plugins: cannot import"):
        compare.main([f"x={runs / 'atl-1'}", "--plugins", "no_such_module"])
    other = tmp_path / "other"
    shutil.copytree(runs / "atl-1", other)
    metrics = json.loads((other / "metrics.json").read_text())
    metrics["data"]["data.test file"] = "another"
    (other / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DocreError, match="tested on other documents"):
        compare.main([str(runs / "atl-1"), str(other)])
    with pytest.raises(DocreError, match="have changed since"):
        compare.main([str(other)])


def test_a_single_run(runs, capsys):
    compare.main([str(runs / "atl-1"), str(runs / "atgl-1")])
    assert "a model with a single seed" in capsys.readouterr().out
