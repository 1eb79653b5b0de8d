"""The training batches of an epoch, grouped by optimizer step, from any step on."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from docre.config.schema import Training
from docre.data.features import Features
from docre.data.limits import Limits
from docre.data.mixed import MixedFeatures
from docre.data.sampling import StepSampler
from docre.errors import DocreError
from docre.tensors import Batch
from docre.training.interrupts import ignore_interrupts

Counts = dict[str, int]


class Learner(Protocol):
    """What is trained, as far as its documents are concerned: a Predictor, say.

    config:          that of the run.
    collate:         makes a batch of features.
    training_limits: those on what is computed at once in training.
    """

    config: Any
    collate: Callable[[Sequence[Any]], Batch]

    @property
    def training_limits(self) -> Limits: ...

    def counts(self, documents: Sequence[Any]) -> Counts:
        """What the losses of these documents are means over, by name; the numbers of several documents add up."""


class Loaded(NamedTuple):
    """Some documents, ready for the model: batches within the limits, and what `Learner.counts` says of them."""

    batches: list[Batch]
    counts: Counts


class Loader(Dataset[Loaded | DocreError]):
    """Maps the positions of the documents of a batch to what the model needs. It may run in a worker process, where an
    error that is raised becomes a traceback; a DocreError is therefore returned."""

    def __init__(self, features: Sequence[Features], learner: Learner) -> None:
        self.features = features
        self.limits = learner.training_limits
        self.collate = learner.collate
        self.counts = learner.counts

    def __getitem__(self, documents: Sequence[int]) -> Loaded | DocreError:
        try:
            features = [self.features[i] for i in documents]
        except DocreError as error:
            return error
        return Loaded([self.collate(part) for part in self.limits.split_batch(features)], self.counts(features))


class Feed:
    """Provides this process with its share of the training batches, as the config says.

    learner:  its config applies, and it collates features into batches.
    features: the training documents.
    process:  index of this process, of `processes` in all.
    pin:      put the batches into page-locked memory, for a GPU.
    """

    def __init__(self, learner: Learner, features: Sequence[Features], process: int, processes: int, pin: bool) -> None:
        config = learner.config
        training: Training = config.training
        self.loader = Loader(features, learner)
        self.process = process
        self.workers = training.workers
        self.pin = pin
        self.mixed = features if isinstance(features, MixedFeatures) else None
        documents = len(features) if self.mixed is None else len(self.mixed.gold)
        self.sampler = StepSampler(documents, training.batch_size, training.accumulation_steps, processes, config.seed)

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimizer steps in an epoch."""
        return self.sampler.steps_per_epoch

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[list[Batch], Counts]]:
        """The steps of an epoch (from 0) after the first `start`: for each the batches that this process takes in it,
        and what `Learner.counts` says of all of them together.

        Uses no random generator but its own. Raises DocreError for a document that can no longer be read.
        """
        steps = self.sampler.epoch(epoch, self.process)[start:]
        stream = iter(
            DataLoader(
                self.loader,
                batch_size=None,
                sampler=self._positions(epoch, [batch for step in steps for batch in step.batches]),
                num_workers=self.workers,
                multiprocessing_context="fork" if self.workers and sys.platform == "linux" else None,
                worker_init_fn=start_worker,
                pin_memory=self.pin,
                generator=torch.Generator(),
            )
        )
        try:
            for step in steps:
                loaded = [checked(next(stream)) for _ in step.batches]
                totals = {name: sum(x.counts[name] for x in loaded) for name in loaded[0].counts}
                yield [batch for x in loaded for batch in x.batches], totals
        finally:
            del stream  # ends the workers now, even if a traceback keeps this frame

    def _positions(self, epoch: int, batches: list[Sequence[int]]) -> list[Sequence[int]]:
        """The positions in the features of the documents in these batches of an epoch."""
        if self.mixed is None:
            return batches
        versions = self.mixed.versions(epoch)
        return [versions[np.array(batch)].tolist() for batch in batches]

    def titles(self, epoch: int, index: int) -> list[str]:
        """The titles of the documents of one step of an epoch (both from 0), over all processes."""
        return [self.loader.features[i].title for i in self.sampler.epoch(epoch)[index].documents]


def checked(loaded: Loaded | DocreError) -> Loaded:
    """What a Loader returned. Raises the error if it is one."""
    if isinstance(loaded, DocreError):
        raise loaded
    return loaded


def start_worker(number: int) -> None:
    """Prepare a worker process: it leaves interrupts to the main process, and tokenizes without threads."""
    ignore_interrupts(number)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads of a forked process would deadlock
