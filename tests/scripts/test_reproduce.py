"""scripts/reproduce: the plans can be run, the results are those of the runs, and no run is repeated."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from docre.commands import analyze, compare, evaluate
from docre.config.loading import load_config, read_yaml
from docre.data.readers.docred import write_docred
from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.losses import LOSSES, loss_class
from docre.models import precision
from docre.training.recipe import read_recipe
from scripts.reproduce.__main__ import main, write_tables
from scripts.reproduce.runs import read_plan
from scripts.reproduce.table import readme
from tests.conftest import ROOT
from tests.tiny import random_documents
from tests.training.test_train import write_config

PLANS = sorted((ROOT / "scripts" / "plans").glob("*.yaml"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_run_of_a_plan_has_a_config(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(precision, "bf16_pays", lambda: True)  # or a plan's plugin changes all products from now on
    runs = list(read_plan(read_yaml(path), str(path)))
    assert len({run.name for run in runs}) == len(runs) > 0
    for run in runs:
        if run.is_recipe:
            assert read_recipe(run.config, run.overrides).stages
            continue
        config = load_config(run.config, run.overrides)
        assert config.loss.name == run.label.split()[0] and config.seed == run.seed
        counted = loss_class(config.loss.name).from_training_data(LabelStatistics(pairs=20, positives=(1, 2, 3)))
        LOSSES.build(config.loss.name, counted | config.loss.parameters, 3)


def test_the_gpu_plan_has_every_loss():
    plan = read_yaml(ROOT / "scripts" / "plans" / "gpu.yaml")
    for dataset in plan["datasets"].values():
        assert {label.split()[0] for label in dataset["losses"]} == set(LOSSES)


def test_a_plan_is_run_once(tiny_encoder, tmp_path, monkeypatch, capfd):
    for seed, (split, size) in enumerate({"train": 8, "dev": 3, "test": 3}.items()):
        write_docred(tmp_path / f"{split}.json", random_documents(size, seed=seed))
    config = write_config(tmp_path / "c.yaml", tmp_path, tiny_encoder)
    plan = {
        "encoder": "tiny",
        "scale": "Small.",
        "seeds": [1],
        "against": "atgl α 60",
        "set": ["training.epochs=1"],
        "datasets": {
            "Made up": {
                "config": str(config),
                "set": [],
                "losses": {"atgl α 60": ["loss.alpha=60"]},
                "recipes": {"two stages": {"recipe": str(tmp_path / "r.yaml"), "set": ["training.epochs=1"]}},
            }
        },
    }
    stages = [{"name": "first"}, {"name": "second", "set": {"training.initial_weights": "${first}"}}]
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"output": "runs/r", "config": str(config), "stages": stages}))
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(plan))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run() -> str:
        main(["p.yaml"])
        return capfd.readouterr().out

    assert run().count("epoch 1/1") == 3
    path, staged = sorted((tmp_path / "results" / "p").glob("*.json"))
    assert [path.stem, staged.stem] == ["made_up_atgl_alpha_60_1", "made_up_two_stages_1"]
    folder = tmp_path / "runs/reproduce/p"
    last = json.loads((folder / "r_1" / "second" / "metrics.json").read_text())
    assert json.loads(staged.read_text()).items() >= last.items()
    result = json.loads(path.read_text())
    metrics = json.loads((tmp_path / "runs" / "reproduce" / "p" / path.stem / "metrics.json").read_text())
    assert result["test"] == metrics["test"] and result["seed"] == 1 and result["config"]["loss"]["alpha"] == 60
    text = (path.parent / "README.md").read_text()
    assert f"{100 * metrics['test']['f1']:.2f}" in text and result["command"] in text
    analyze.main(["--checkpoint", str(folder / path.stem), "--data", str(tmp_path / "test.json")])
    analysis = json.loads((folder / path.stem / "analysis/test/analysis.json").read_text())
    (found,) = analysis["models"].values()
    assert (
        result["analysis"]["ovr"] == found["ordering"]["ovr"]
        and result["analysis"]["std_ro"] == found["offsets"]["std"]
    )
    data = ["--data", str(tmp_path / "test.json"), "--dev", str(tmp_path / "dev.json"), "--json", "fitted.json"]
    evaluate.main(["--checkpoint", str(folder / path.stem), *data])
    assert result["analysis"]["f1_fitted"] == json.loads(Path("fitted.json").read_text())["f1"]
    runs = [str(folder / path.stem), str(folder / "r_1" / "second")]
    capfd.readouterr()
    compare.main([f"atgl α 60={runs[0]}", f"two stages={runs[1]}", "--against", "atgl α 60", "--format", "markdown"])
    table = [line for line in capfd.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 4 and set(table) < set(text.splitlines())
    shutil.rmtree(folder)  # results are enough
    before = path.stat().st_mtime_ns
    assert "epoch" not in run() and path.stat().st_mtime_ns == before
    plan["set"] = ["training.epochs=2"]  # the results of another command are not in the tables
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(plan))
    write_tables(plan, Path("p.yaml"), Path("results/p"))
    assert f"results/p/{path.stem}.json is not in the tables" in capfd.readouterr().err
    text = (path.parent / "README.md").read_text()
    assert result["command"] not in text and "two stages" in text


def test_mistakes_are_found_before_the_first_run():
    plan = read_yaml(ROOT / "scripts/plans/cpu.yaml")
    with pytest.raises(DocreError, match=r"--only nothing: no run of .*cpu\.yaml has this in its name"):
        main([str(ROOT / "scripts/plans/cpu.yaml"), "--only", "nothing"])
    del plan["scale"]
    with pytest.raises(DocreError, match=r"a plan: expected encoder, scale, .*'scale'"):
        list(read_plan(plan, "a plan"))


def test_the_table_has_mean_and_deviation_over_seeds():
    def result(seed: int, f1: float, **others) -> dict:
        scores = {"f1": f1, "ign_f1": f1, "p": f1, "r": f1}
        about = dict.fromkeys(("device", "precision", "torch", "transformers", "accelerate", "docre", "commit"), "x")
        run = {"name": f"a_{seed}", "dataset": "D", "loss": "atl", "seed": seed, "command": f"run {seed}"}
        numbers = {"best": scores | {"epoch": 2}, "epochs": [scores], "test": scores}
        return about | run | numbers | {"training_seconds": 60.0, "peak_memory_mb": 1024} | others

    text = readme({"scale": "s", "encoder": "e"}, "plan", [result(1, 0.5), result(2, 0.6)])
    assert "| atl | 2 | 55.00 ± 7.07 | 55.00 ± 7.07 |" in text  # sqrt(2 * 5^2)
    assert "run 1\n```" in text and "dev F1 by epoch: 55.00" in text

    other = result(1, 0.5, loss="afl", precision="bf16")
    text = readme({"scale": "s", "encoder": "e"}, "plan", [result(1, 0.5, precision="fp32"), other])
    assert "| atl (fp32) | 1 | 50.00 |" in text and "| afl (bf16) | 1 | 50.00 |" in text and "`afl`, dev F1" in text
