"""The training batches of an epoch, grouped by optimizer step, from any step on."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from docre.config.schema import Config
from docre.data.features import Features
from docre.data.limits import Limits
from docre.data.sampling import Step, StepSampler
from docre.errors import DocreError
from docre.inference.predictor import Predictor
from docre.tensors import Batch
from docre.training.interrupts import ignore_interrupts

Counts = Mapping[str, Callable[[Features], int]]


def count_pairs(document: Features) -> int:
    """Number of entity pairs of a document."""
    return len(document.pairs)


class Loaded(NamedTuple):
    """Some documents, ready for the model: batches within the limits, and sums over the documents by name."""

    batches: list[Batch]
    counts: dict[str, int]


class Loader(Dataset[Loaded | DocreError]):
    """Maps the positions of the documents of a batch to what the model needs; runs in the workers.

    An error is returned, not raised: raised in a worker it would arrive as a traceback.
    """

    def __init__(
        self,
        features: Sequence[Features],
        limits: Limits,
        collate: Callable[[Sequence[Features]], Batch],
        counts: Counts,
    ) -> None:
        self.features = features
        self.limits = limits
        self.collate = collate
        self.counts = counts

    def __getitem__(self, documents: Sequence[int]) -> Loaded | DocreError:
        try:
            features = [self.features[i] for i in documents]
        except DocreError as error:
            return error
        counts = {name: sum(map(count, features)) for name, count in self.counts.items()}
        return Loaded([self.collate(part) for part in self.limits.split_batch(features)], counts)


class Feed:
    """Provides this process with its share of the training batches, as the config says.

    predictor: its config applies, and it collates features into batches.
    features:  the training documents.
    process:   index of this process, of `processes` in all.
    pin:       put the batches into page-locked memory, for a GPU.
    counts:    what to count in each document: the steps have the sums.
    """

    def __init__(
        self,
        predictor: Predictor,
        features: Sequence[Features],
        process: int,
        processes: int,
        pin: bool,
        counts: Counts | None = None,
    ) -> None:
        config: Config = predictor.config
        training = config.training
        limits = Limits(training.max_pairs_per_batch, training.max_tokens_per_batch, predictor.model.pairs_interact)
        self.loader = Loader(features, limits, predictor.collate, counts or {"pairs": count_pairs})
        self.process = process
        self.workers = training.workers
        self.pin = pin
        self.sampler = StepSampler(
            len(features), training.batch_size, training.accumulation_steps, processes, config.seed
        )

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimizer steps in an epoch."""
        return self.sampler.steps_per_epoch

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[Step, list[Batch], dict[str, int]]]:
        """The steps of an epoch (from 0) after the first `start`: for each the step, the batches that this process
        takes in it, and the sums of `counts` over its documents in them. Uses no random generator but its own.

        Raises DocreError for a document that can no longer be read.
        """
        steps = self.sampler.epoch(epoch, self.process)[start:]
        stream = iter(
            DataLoader(
                self.loader,
                batch_size=None,
                sampler=[batch for step in steps for batch in step.batches],
                num_workers=self.workers,
                worker_init_fn=start_worker,
                pin_memory=self.pin,
                generator=torch.Generator(),
            )
        )
        try:
            for step in steps:
                loaded = [next(stream) for _ in step.batches]
                for item in loaded:
                    if isinstance(item, DocreError):
                        raise item
                totals = {name: sum(item.counts[name] for item in loaded) for name in self.loader.counts}
                yield step, [batch for item in loaded for batch in item.batches], totals
        finally:
            del stream  # ends the workers now, even if a traceback keeps this frame

    def titles(self, epoch: int, index: int) -> list[str]:
        """The titles of the documents of one step of an epoch (both from 0), over all processes."""
        return [self.loader.features[i].title for i in self.sampler.epoch(epoch)[index].documents]


def start_worker(number: int) -> None:
    """Prepare a worker process: it leaves interrupts to the main process, and tokenizes without threads."""
    ignore_interrupts(number)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads of a forked process would deadlock
