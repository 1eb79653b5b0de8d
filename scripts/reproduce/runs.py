"""The runs of a plan: trainings and recipes, each in a process of its own."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from docre.config.loading import load_config
from docre.errors import DocreError
from docre.training.recipe import read_recipe
from docre.training.stages import standings
from docre.training.stages.base import Stage, Standing
from docre.training.stages.train import Train
from scripts.reproduce import process


@dataclass(frozen=True)
class Run:
    """One run of a plan.

    label:     its row in the table.
    is_recipe: whether `config` is the file of a recipe; its result is that of one stage.
    last:      the name of this stage; None for the last one.
    """

    dataset: str
    label: str
    seed: int
    config: str
    overrides: tuple[str, ...]
    is_recipe: bool = False
    last: str | None = None

    @property
    def name(self) -> str:
        """The name of the folder and of the result file."""
        parts = f"{self.dataset} {self.label} {self.seed}".replace("α", "alpha").split()
        return "_".join(parts).lower()

    def folder(self, runs: Path) -> Path:
        """Where it is trained, below the folder `runs`. Runs of one recipe and seed share its stages."""
        return runs / (f"{Path(self.config).stem}_{self.seed}" if self.is_recipe else self.name)

    def command(self, runs: Path) -> tuple[str, ...]:
        """The arguments of `python` that train it below the folder `runs`."""
        start = ["-m", "docre", "recipe"] if self.is_recipe else ["-m", "docre.train", "--config"]
        stage = ["--stage", self.last] if self.last else []
        return (*start, self.config, *stage, *self.overrides, f"output={self.folder(runs)}")

    def stage(self, runs: Path) -> "InProcess":
        """It as a stage, below the folder `runs`."""
        folder, command = self.folder(runs), self.command(runs)
        changes = [*self.overrides, f"output={folder}"]
        if self.is_recipe:
            stages = tuple(read_recipe(self.config, changes).up_to(self.last))
            return RecipeInProcess(self.name, folder, (), command, stages)
        return TrainInProcess(self.name, folder, (), command, load_config(self.config, changes))


@dataclass(frozen=True)
class InProcess(Stage):
    """A stage in a process of its own, so that its peak memory is measured. `command`: the arguments of `python`."""

    command: tuple[str, ...]

    @property
    def trained(self) -> Path:
        """The folder of the run whose scores are the result."""
        return self.folder

    def run(self, restart: bool = False) -> None:
        code = process.run([sys.executable, *self.command])
        if code:
            raise DocreError(f"{self.name} ended with exit code {code}; the same command resumes it")


@dataclass(frozen=True)
class TrainInProcess(InProcess):
    """A run of `docre train`."""

    config: Any

    @cached_property
    def training(self) -> Train:
        return Train(self.name, self.folder, (), self.config)

    def check(self) -> None:
        self.training.check()

    def standing(self) -> Standing:
        return self.training.standing()

    def plan(self, others: Sequence[Stage]) -> list[str]:
        return self.training.plan(others)


@dataclass(frozen=True)
class RecipeInProcess(InProcess):
    """A run of `docre recipe` up to its last stage."""

    stages: Sequence[Stage]

    @property
    def trained(self) -> Path:
        return self.stages[-1].folder

    def check(self) -> None:
        for stage in self.stages:
            stage.check()

    def standing(self) -> Standing:
        found = standings(self.stages).values()
        stale = next((standing for standing in found if standing.state == "stale"), None)
        if stale:
            return stale
        finished = sum(standing.state == "finished" for standing in found)
        if finished == len(found):
            return Standing("finished")
        return Standing("interrupted" if finished else "new")

    def plan(self, others: Sequence[Stage]) -> list[str]:
        return [line for stage in self.stages for line in stage.plan(self.stages)]


def read_plan(plan: Any, where: str) -> Iterator[Run]:
    """The runs of a plan, seed by seed. Raises DocreError, beginning with `where`, if a part of the plan is missing."""
    try:
        _ = plan["scale"], plan["encoder"]  # which the tables need after the first run
        for seed in plan["seeds"]:
            for dataset, part in plan["datasets"].items():
                for label, changes in part.get("losses", {}).items():
                    overrides = (f"loss.name={label.split()[0]}", *plan["set"], *part["set"], *changes, f"seed={seed}")
                    yield Run(dataset, label, seed, part["config"], overrides)
                for label, staged in part.get("recipes", {}).items():
                    overrides = (*staged["set"], f"seed={seed}")
                    recipe, last = staged["recipe"], staged.get("stage")
                    yield Run(dataset, label, seed, recipe, overrides, is_recipe=True, last=last)
    except (KeyError, TypeError, AttributeError) as error:
        raise DocreError(
            f"{where}: expected encoder, scale, seeds, set, and datasets with config, set, losses or recipes "
            f"({error!r})"
        ) from None
