"""The training run of a generator: it starts or resumes in its folder, and writes the generator there at the end."""

import math
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from torch import Tensor

from docre.config.loading import to_yaml
from docre.core.files import write_json, write_text
from docre.core.manifests import locked, remove, remove_leftovers
from docre.core.memory import peak_memory
from docre.data.sampling import StepSampler
from docre.errors import DocreError, DocreWarning
from docre.inference import checkpoint
from docre.models.generator import Generator
from docre.models.generator.generator import Sizes
from docre.models.precision import default_device
from docre.training.environment import device_name, versions
from docre.training.folder import remove_states
from docre.training.generator.features import labeled_pairs
from docre.training.generator.folder import FILE, RESULTS, find_existing, inputs
from docre.training.generator.settings import GeneratorSettings
from docre.training.generator.trainer import GeneratorTrainer
from docre.training.interrupts import Interrupted, Interrupts
from docre.training.log import RunLog
from docre.training.state import State, load_state, save_state, saved_states

RESTART = "start over in another folder, or remove this one"


def train_generator(settings: GeneratorSettings, restart: bool = False) -> dict[str, Any]:
    """Train a generator as the settings say, resuming a run that was interrupted; return the content of metrics.json.

    The folder `generator` of the run is the result. Raises DocreError for any mistake in the settings, and Interrupted
    when stopped by a signal. Runs in one process.

    restart: remove what the run has written, and start over.
    """
    output = Path(settings.output)
    with locked(output), Interrupts() as interrupts:
        existing = find_existing(settings, lambda message: warnings.warn(message, DocreWarning, stacklevel=2))
        if existing.difference and not restart:
            raise DocreError(f"{output} holds a run with {existing.difference}: {RESTART}")
        if existing.metrics is not None and not restart:
            remove_states(output)
            return existing.metrics
        settings.check()
        device = default_device()
        with interrupts.at_once("stopped before a step: the same command starts again"):
            predictor = checkpoint.load(settings.base, device)
            pairs = labeled_pairs(predictor, settings.train, settings.reader)
        if not any(len(labels) for _, labels in pairs):
            raise DocreError(f"{settings.train}: no pair with a relation in it, from which a generator learns")
        set_seed(settings.seed)
        trainer = GeneratorTrainer(Generator(sizes_of(settings, *pairs[0])).to(device), settings)
        state = None if restart or existing.state is None else load_state(existing.state)
        prepare_folder(settings, keep=state is not None)
        run = GeneratorRun(settings, trainer, pairs, interrupts, state)
        run.log.write("start", f"{run.count:,} pairs with a relation, {device_name(device)}", **versions())
        return run.train()


def sizes_of(settings: GeneratorSettings, features: Tensor, labels: Tensor) -> Sizes:
    """The sizes of a generator of such features [pairs, hidden] for such labels [pairs, R]."""
    return Sizes(
        hidden=features.shape[1],
        relations=labels.shape[1],
        latent=settings.latent_size,
        width=settings.width,
        depth=settings.depth,
        heads=settings.heads,
        steps=settings.diffusion_steps,
    )


def prepare_folder(settings: GeneratorSettings, keep: bool) -> None:
    """Remove what killed runs left, and unless `keep` everything else too; then write the settings."""
    output = Path(settings.output)
    remove_leftovers(output)
    if not keep:
        for path in (*saved_states(output), *(output / name for name in RESULTS)):  # a state needs what is beside it
            remove(path)
    write_text(output / FILE, to_yaml(settings))


class GeneratorRun:
    """The run from its state on.

    pairs:       of each document the features and labels of its pairs with a relation.
    epoch, done: the current epoch, from 0, and the steps done in it.
    sums:        of the losses in this epoch by name, and how many steps had each.
    """

    def __init__(
        self,
        settings: GeneratorSettings,
        trainer: GeneratorTrainer,
        pairs: list[tuple[Tensor, Tensor]],
        interrupts: Interrupts,
        state: State | None,
    ) -> None:
        self.settings = settings
        self.trainer = trainer
        self.pairs = pairs
        self.interrupts = interrupts
        self.output = Path(settings.output)
        self.sampler = StepSampler(len(pairs), settings.batch_size, seed=settings.seed)
        self.inputs = inputs(settings)
        self.count = sum(len(labels) for _, labels in pairs)
        self.epoch = self.done = 0
        self.sums: dict[str, list[float]] = {}
        self.epochs: list[dict[str, Any]] = []
        self.started = time.perf_counter()
        log_size = 0
        if state is not None:
            trainer.restore(state)
            values = state.values
            self.epoch, self.done, self.sums, self.epochs = (values[k] for k in ("epoch", "done", "sums", "epochs"))
            self.started -= values["seconds"]
            log_size = values["log"]
        self.log = RunLog(self.output / "log.jsonl", keep=log_size)

    def train(self) -> dict[str, Any]:
        """Run the epochs that are left, then write the result."""
        while self.epoch < self.settings.epochs:
            for step in self.sampler.epoch(self.epoch)[self.done :]:
                self.take(step.documents)
                self.done += 1
                last = self.done == self.sampler.steps_per_epoch
                if last:
                    self.end_epoch()
                every = self.settings.save_every
                if last or self.interrupts.received or (every and self.trainer.steps % every == 0):
                    self.save()
                if self.interrupts.received:
                    message = f"stopped in epoch {self.epoch + 1}. The state is saved: the same command resumes"
                    raise Interrupted(message, self.interrupts.received)
        return self.finish()

    def take(self, documents: Sequence[int]) -> None:
        """Train on the pairs of one step's documents."""
        feature, labels = (torch.cat(parts) for parts in zip(*(self.pairs[d] for d in documents), strict=True))
        if not len(labels):
            return
        for name, loss in self.trainer.step(feature, labels, self.epoch).items():
            value = float(loss)
            if not math.isfinite(value):
                raise DocreError(
                    f"{self.output}: epoch {self.epoch + 1}, step {self.done + 1}: the loss of the {name} is not finite"
                )
            total, count = self.sums.get(name, [0.0, 0])
            self.sums[name] = [total + value, count + 1]

    def end_epoch(self) -> None:
        """Log the mean losses of the epoch."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.epoch, self.done, self.sums = self.epoch + 1, 0, {}
        result = {"epoch": self.epoch} | means
        self.epochs.append(result)
        text = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        self.log.write("epoch", f"epoch {self.epoch}/{self.settings.epochs}  {text}", **result)

    def save(self) -> None:
        """Save the training state."""
        state = self.trainer.capture()
        values = state.values | {
            "epoch": self.epoch,
            "done": self.done,
            "sums": self.sums,
            "epochs": self.epochs,
            "seconds": time.perf_counter() - self.started,
            "log": self.log.sync(),
            "inputs": self.inputs,
        }
        save_state(self.output, self.trainer.steps, State(state.tensors, values))

    def finish(self) -> dict[str, Any]:
        """Write the generator, then metrics.json, which marks the run as finished."""
        self.log.check()
        self.trainer.result().save(self.output / "generator")
        device = self.pairs[0][0].device
        metrics: dict[str, Any] = {
            "epochs": self.epochs,
            "pairs": self.count,
            "training_seconds": time.perf_counter() - self.started,
            "device": device_name(device),
            "peak_memory_mb": round(peak_memory(device)),
            "inputs": self.inputs,
            **versions(),
        }
        write_json(self.output / "metrics.json", metrics)
        remove_states(self.output)
        self.log.write("end", f"written to {self.output}/: generator/, metrics.json, log.jsonl")
        self.log.close()
        return metrics
