"""Trains every run of a plan (scripts/plans/*.yaml) and writes results that anybody can reproduce.

    python -m scripts.reproduce scripts/plans/cpu.yaml [--results results/cpu] [--only TEXT]

For each dataset, loss (or recipe) and seed, `python -m docre.train` (or `docre recipe`) is started with the plan's
config and overrides, in a process of its own and a folder under runs/reproduce/. A run whose result is there from the
same command is not repeated, an interrupted one is resumed. The result of each run, with what `docre analyze` finds on
the test documents, the F1 there with a threshold fitted on dev, and the counts of every document, is written to
results/<plan>/<name>.json, and tables of all results to results/<plan>/README.md.
"""

import argparse
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from docre.analysis.summary import analyze
from docre.config.loading import read_config, read_yaml
from docre.core import cli
from docre.core.files import read_json, write_json, write_text
from docre.data.readers import count, read
from docre.errors import DocreError
from docre.training.stages import run_stages
from scripts.fitted import f1_with_fitted_threshold
from scripts.reproduce.differences import counts_of
from scripts.reproduce.runs import InProcess, Run, read_plan
from scripts.reproduce.table import readme

RUNS = Path("runs/reproduce")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Train every run of a plan and write the results.")
    parser.add_argument("plan", type=Path, help="a YAML file, as in scripts/plans/")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="where to write (default: results/<name of the plan>)"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only runs whose name contains TEXT")
    options = parser.parse_args(arguments)
    plan = read_yaml(options.plan)
    results = options.results or Path("results") / options.plan.stem
    folder = RUNS / options.plan.stem
    runs = [run for run in read_plan(plan, str(options.plan)) if options.only in run.name]
    if not runs:
        raise DocreError(f"--only {options.only}: no run of {options.plan} has this in its name")
    runs = [run for run in runs if not is_measured(run, folder, results)]
    stages = [run.stage(folder) for run in runs]
    for run, stage in zip(runs, run_stages(stages, f"remove their folders from {folder}"), strict=True):
        assert isinstance(stage, InProcess)
        write_json(results / f"{run.name}.json", result_of(run, stage, command_line(run, folder)))
        write_tables(plan, options.plan, results)
    write_tables(plan, options.plan, results)
    print(f"written to {results}/")


def write_tables(plan: Any, path: Path, results: Path) -> None:
    """Write the README of the results that are there and were made by the commands of the plan."""
    planned = {run.name: command_line(run, RUNS / path.stem) for run in read_plan(plan, str(path))}
    found = {result.stem: read_json(result) for result in sorted(results.glob("*.json"))}
    current = [result for name, result in found.items() if result["command"] == planned.get(name)]
    for name in sorted(found.keys() - {result["name"] for result in current}):
        print(
            f"{results}/{name}.json is not in the tables: {path} has no such run, or another command", file=sys.stderr
        )
    write_text(results / "README.md", readme(plan, str(path), current))


def is_measured(run: Run, runs: Path, results: Path) -> bool:
    """Whether the result of the run is there, and was made by the same command."""
    path = results / f"{run.name}.json"
    return path.is_file() and read_json(path).get("command") == command_line(run, runs)


def command_line(run: Run, runs: Path) -> str:
    """The command that trains the run below the folder `runs`, as one types it."""
    return shlex.join(["python", *run.command(runs)])


def result_of(run: Run, stage: InProcess, command: str) -> dict[str, Any]:
    """What is written of a finished run, with the commit that it was finished at."""
    config, metrics = read_config(stage.trained / "config.yaml"), read_json(stage.trained / "metrics.json")
    about: dict[str, Any] = {"name": run.name, "dataset": run.dataset, "loss": run.label, "commit": commit()}
    about |= {"command": command, "config": config.model_dump()}
    read_documents = count(config.data.train, config.data.reader) * len(metrics["epochs"])
    measured = {"seconds_per_document": metrics["training_seconds"] / read_documents}
    return about | metrics | measured | tested(stage.trained)


def tested(trained: Path) -> dict[str, Any]:
    """What is measured of a finished run on its test documents: what `docre analyze` finds there, the F1 with the
    threshold fitted on dev, and the counts of every document. Nothing if there are none."""
    from docre.inference.checkpoint import load
    from docre.inference.probe import margin_table

    predictor = load(trained)
    data = predictor.config.data
    if data.test is None:
        return {}
    test = read(data.test, data.reader)
    found = analyze(margin_table(predictor, test))
    analysis = {
        "std_ro": found.offsets.std,
        "ovr": found.ordering.ovr,
        "fp_na": found.errors.fp_na,
        "fn_na": found.errors.fn_na,
        "f1_fitted": f1_with_fitted_threshold(predictor, test),
    }
    return {"analysis": analysis, "counts": counts_of(trained)}


def commit() -> str:
    """The current commit, with a remark if docre/ or configs/ have uncommitted changes."""

    def git(*arguments: Any) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "docre", "configs")
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
