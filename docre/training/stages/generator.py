"""A stage that trains the generator of VaeDiff-DocRE on the representations of a base model."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docre.config.loading import validate_as
from docre.data.readers import READERS
from docre.errors import DocreError, prefixed
from docre.training.folder import ExistingRun
from docre.training.generator.folder import find_existing
from docre.training.generator.settings import GeneratorSettings
from docre.training.stages.base import STAGES, Place, Stage, Standing
from docre.training.stages.costs import count_documents, duration


@dataclass(frozen=True)
class TrainGenerator(Stage):
    """A generator's run with these settings, whose `output` is the folder of the stage."""

    settings: GeneratorSettings

    def check(self) -> None:
        READERS[self.settings.reader]  # raises DocreError for an unknown reader
        if not self.will_exist(self.settings.train):
            raise DocreError(f"{self.name}: generator.train: {self.settings.train}: no such file")
        self.check_checkpoint(self.settings.base)
        with prefixed(self.name):
            self.settings.check()

    def existing(self) -> ExistingRun:
        """The run in its folder, compared with what is asked for now."""
        return find_existing(self.settings)

    def standing(self) -> Standing:
        return Standing.of(self.existing())

    def run(self, restart: bool = False) -> None:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise DocreError(
                f"{self.name}: a generator is trained by one process: run it by itself first, with --stage {self.name}"
            )
        from docre.training.generator.run import train_generator

        train_generator(self.settings, restart)

    def plan(self, others: Sequence[Stage]) -> list[str]:
        settings, existing = self.settings, self.existing()
        documents = count_documents(settings.train, settings.reader)
        if documents is None:
            return [f"documents, steps and time: unknown until {settings.train} is there"]
        steps = settings.epochs * (documents // settings.batch_size)
        lines = [f"{settings.epochs} epochs of {documents:,} documents: {steps:,} steps of two small networks"]
        if existing.metrics is not None and not existing.difference:
            lines.append(f"took {duration(existing.metrics['training_seconds'])}")
        return lines


@STAGES.register("generator")
def generator_stage(place: Place, generator: dict[str, Any]) -> TrainGenerator:
    """A generator's run. `generator`: its settings; seed, training file and its format are those of the common config
    unless they are given."""
    if "output" in generator:
        raise DocreError(f"generator.output: cannot be set: the folder of a stage is {place.folder}")
    common = place.common
    data = common.get("data", {})
    values = {name: data[name] for name in ("train", "reader") if name in data}
    values |= {"seed": common["seed"]} if "seed" in common else {}
    settings = validate_as(GeneratorSettings, values | generator | {"output": str(place.folder)}, "generator")
    return TrainGenerator(place.name, place.folder, place.takes, settings)
