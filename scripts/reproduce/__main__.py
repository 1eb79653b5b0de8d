"""Trains every run of a plan (scripts/plans/*.yaml) and writes results that anybody can reproduce.

    python -m scripts.reproduce scripts/plans/cpu.yaml [--results results/cpu] [--only TEXT]

For each dataset, loss and seed, `python -m docre.train` is started with the plan's config and overrides, in a process
of its own and a folder under runs/reproduce/. Finished runs are not repeated, interrupted ones are resumed. The result
of each run is written to results/<plan>/<name>.json, and tables of all results to results/<plan>/README.md.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from docre.config.loading import load_config, read_config, read_yaml
from docre.core import cli
from docre.core.files import read_json, write_json, write_text
from docre.errors import DocreError
from docre.training.stages import run_stages
from docre.training.stages.train import Train
from scripts.reproduce.table import readme

RUNS = Path("runs/reproduce")


@dataclass(frozen=True)
class Run:
    """One run of a plan."""

    dataset: str
    loss: str
    seed: int
    config: str
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the folder and of the result file."""
        parts = f"{self.dataset} {self.loss} {self.seed}".replace("α", "alpha").split()
        return "_".join(parts).lower()

    def command(self, output: Path) -> list[str]:
        """The arguments of `python` that train the run into the folder `output`."""
        return ["-m", "docre.train", "--config", self.config, *self.overrides, f"output={output}"]

    def stage(self, output: Path) -> "TrainInProcess":
        """The run into the folder `output` as a stage."""
        config = load_config(self.config, [*self.overrides, f"output={output}"])
        return TrainInProcess(self.name, output, (), config, tuple(self.command(output)))


@dataclass(frozen=True)
class TrainInProcess(Train):
    """A run in a process of its own, so that its peak memory is measured. `command`: the arguments of `python`."""

    command: tuple[str, ...]

    def run(self, restart: bool = False) -> None:
        done = subprocess.run([sys.executable, *self.command], check=False)
        if done.returncode:
            raise DocreError(
                f"{self.name}: docre.train ended with exit code {done.returncode}; the same command resumes it"
            )


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
    runs = [run for run in read_plan(plan, str(options.plan)) if options.only in run.name]
    folder = RUNS / options.plan.stem
    stages = [run.stage(folder / run.name) for run in runs]
    remedy = f"remove their folders from {folder}"
    for run, stage in zip(runs, run_stages(stages, remedy), strict=True):
        write_result(run, stage.folder, results / f"{run.name}.json")
        all_results = [read_json(path) for path in sorted(results.glob("*.json"))]
        write_text(results / "README.md", readme(plan, str(options.plan), all_results))
    print(f"written to {results}/")


def read_plan(plan: Any, where: str) -> Iterator[Run]:
    """The runs of a plan, seed by seed. Raises DocreError, beginning with `where`, if a part of the plan is missing."""
    try:
        for seed in plan["seeds"]:
            for dataset, part in plan["datasets"].items():
                for label, changes in part["losses"].items():
                    overrides = (f"loss.name={label.split()[0]}", *plan["set"], *part["set"], *changes, f"seed={seed}")
                    yield Run(dataset, label, seed, part["config"], overrides)
    except (KeyError, TypeError, AttributeError) as error:
        raise DocreError(f"{where}: expected seeds, set, and datasets with config, set, losses ({error!r})") from None


def write_result(run: Run, folder: Path, result: Path) -> None:
    """Write the result of a finished run, with the commit that it was finished at, unless that is done already."""
    metrics = read_json(folder / "metrics.json")
    if result.is_file() and read_json(result).items() >= metrics.items():
        return
    about: dict[str, Any] = {"name": run.name, "dataset": run.dataset, "loss": run.loss, "commit": commit()}
    command = shlex.join(["python", *run.command(folder)])
    about |= {"command": command, "config": read_config(folder / "config.yaml").model_dump()}
    write_json(result, about | metrics)


def commit() -> str:
    """The current commit, with a remark if docre/ or configs/ have uncommitted changes."""

    def git(*arguments: Any) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "docre", "configs")
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
