"""A stage that trains a model: a run of `docre train`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docre.config.loading import import_plugins, merge, nest, validate
from docre.config.schema import Config
from docre.core.files import read_json
from docre.core.manifests import digest_of_version
from docre.data.readers import READERS
from docre.data.sampling import StepSampler
from docre.data.schema import shipped_schemas
from docre.documents import LabelStatistics
from docre.errors import DocreError, prefixed
from docre.training.folder import ExistingRun, find_existing_run, flatten, input_digests
from docre.training.saved import load_values
from docre.training.stages.base import STAGES, Place, Stage, Standing
from docre.training.stages.costs import count_documents, duration


@dataclass(frozen=True)
class Train(Stage):
    """A run with a config whose `output` is the folder of the stage."""

    config: Config

    def check(self) -> None:
        with prefixed(self.name):
            check_components(self.config)
            self._check_files()
            self._check_targets()

    def _check_files(self) -> None:
        data, weights = self.config.data, self.config.training.initial_weights
        keys = ("train", "dev", "test", "counts_from", "targets", "tagged")
        paths = {f"data.{key}": getattr(data, key) for key in keys}
        if data.relations not in shipped_schemas():
            paths["data.relations"] = data.relations
        for key, path in paths.items():
            if path and not self.will_exist(path):
                raise DocreError(f"{key}: {path}: no such file or folder")
        if weights:
            self.check_checkpoint(weights)
        if self.config.tagger and self.config.tagger.name == "joint":
            self.check_checkpoint(self.config.tagger.parameters["run"])

    def _check_targets(self) -> None:
        """Raises DocreError for terms without the targets that they need, and targets for other documents."""
        from docre.training.corpus import wanted_targets

        data, wanted = self.config.data, wanted_targets(self.config)
        stage = next((stage for stage in self.takes if data.targets and Path(data.targets) == stage.folder), None)
        if stage is None:
            return
        if stage.targets_of is None:
            raise DocreError(f"data.targets: stage {stage.name} makes no targets")
        if wanted and not same_content(stage.targets_of, data.train):
            raise DocreError(
                f"data.targets: stage {stage.name} makes targets for {stage.targets_of}, not for {data.train}, "
                "which is data.train"
            )

    def existing(self) -> ExistingRun:
        """The run in its folder, compared with what is asked for now."""
        return find_existing_run(
            self.folder, self.config, {"data": input_digests(self.config)}, with_counted_parameters=False
        )

    def standing(self) -> Standing:
        return Standing.of(self.existing())

    def run(self, restart: bool = False) -> None:
        from docre.training.launch import train

        train(self.config, restart)

    def metrics(self) -> dict[str, Any]:
        """The content of the metrics.json of the finished run."""
        metrics: dict[str, Any] = read_json(self.folder / "metrics.json")
        return metrics

    def plan(self, others: Sequence[Stage]) -> list[str]:
        data, training = self.config.data, self.config.training
        documents = count_documents(data.train, data.reader)
        if documents is None:
            return [f"documents, steps and time: unknown until {data.train} is there"]
        steps = self._steps(documents)
        epochs = f"{training.epochs} epochs" if training.epochs > 1 else "1 epoch"
        return [f"{epochs} of {documents:,} documents: {steps:,} steps", self._time(steps, others)]

    def _steps(self, documents: int) -> int:
        """The optimizer steps of the whole run, in one process."""
        training = self.config.training
        sampler = StepSampler(documents, training.batch_size, training.accumulation_steps)
        return training.epochs * sampler.steps_per_epoch

    def _time(self, steps: int, others: Sequence[Stage]) -> str:
        """The time that the run took, or that is left of it as far as measurements tell."""
        existing = self.existing()
        if existing.metrics is not None and not existing.difference:
            return f"took {duration(existing.metrics['training_seconds'])}"
        if existing.state is not None and not existing.difference:
            values = load_values(existing.state)
            done = values["place"]["step"]
            return f"step {done:,}: about {duration(values['seconds'] / done * (steps - done))} left"
        for other in others:
            seconds = other.seconds_per_document() if isinstance(other, Train) and other.costs_like(self) else None
            if seconds is not None:
                size = self.config.training.batch_size * self.config.training.accumulation_steps
                return f"about {duration(seconds * size * steps)}, at {seconds:.3f} s a document as in {other.name}"
        return "time: unknown until a stage with the same encoder and model has saved a state"

    def costs_like(self, other: "Train") -> bool:
        """Whether a step of both takes about the same time for each document."""
        mine, theirs = self.config, other.config
        return (mine.encoder, mine.model, mine.training.freeze) == (
            theirs.encoder,
            theirs.model,
            theirs.training.freeze,
        )

    def seconds_per_document(self) -> float | None:
        """The mean time for a document in an epoch, evaluations included; None if nothing is saved."""
        existing, training = self.existing(), self.config.training
        if existing.difference:
            return None
        if existing.metrics is not None:
            documents = count_documents(self.config.data.train, self.config.data.reader)
            seconds, steps = existing.metrics["training_seconds"], self._steps(documents) if documents else 0
        elif existing.state is not None:
            values = load_values(existing.state)
            seconds, steps = values["seconds"], values["place"]["step"]
        else:
            return None
        return seconds / (steps * training.batch_size * training.accumulation_steps) if steps else None


def check_components(config: Config) -> None:
    """Raises DocreError for a reader, model, loss, term, inference or tagger that does not exist or has no such
    parameter."""
    from docre.inference.methods import INFERENCES
    from docre.losses import LOSSES, loss_class
    from docre.models import MODELS, leading_parameters
    from docre.terms import TERMS
    from docre.text import TAGGERS
    from docre.training.objective import check_given_once
    from docre.training.optimizer import check_rate_groups

    READERS[config.data.reader]  # raises DocreError for an unknown reader
    INFERENCES.check(config.inference.name, config.inference.parameters)
    for term in config.terms:
        TERMS.check(term.name, term.parameters)
    check_given_once(config.terms)
    if config.tagger:
        TAGGERS.check(config.tagger.name, config.tagger.parameters)
    MODELS.check(config.model.name, config.model.parameters, skip=leading_parameters(config.model.name))
    check_rate_groups(config.training.group_lr, getattr(MODELS[config.model.name], "rate_groups", {}))
    counted = loss_class(config.loss.name).from_training_data(LabelStatistics(2, (1,)))
    LOSSES.check(config.loss.name, counted | config.loss.parameters, skip=1)


def same_content(one: str, other: str) -> bool:
    """Whether two paths are of one file, or of two with the same content."""
    if Path(one) == Path(other):  # without reading it, which may be large
        return True
    there = Path(one).is_file() and Path(other).is_file()
    return there and digest_of_version(Path(one)) == digest_of_version(Path(other))


@STAGES.register("train")
def train_stage(place: Place, set: dict[str, Any] | None = None) -> Train:
    """A run with the common config of the recipe. `set`: keys that are different in it, dotted or in sections."""
    own = nest(flatten(set or {}).items())
    if "output" in own:
        raise DocreError(f"output: cannot be set: the folder of a stage is {place.folder}")
    values = merge(merge(place.config, own), place.changes) | {"output": str(place.folder)}
    config = validate(values, "its config")
    import_plugins(config.plugins, "plugins")
    return Train(place.name, place.folder, place.takes, config)
