"""Assigns training documents to steps, batches and processes: seeded, and independent of the number of processes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from docre.errors import DocreError


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    documents: the documents (positions in the training set) of all processes together, in order.
    batches:   those of this process, batch by batch.
    """

    documents: Sequence[int]
    batches: Sequence[Sequence[int]]


@dataclass(frozen=True)
class StepSampler:
    """Assigns training documents to steps, batches and processes.

    Each epoch shuffles the documents; the order depends on the seed and the epoch only. A step takes the next
    `batch_size * accumulation_steps * processes` documents, so two processes take the same documents in a step as one
    process with twice the batch size. The documents left at the end of an epoch, too few for a step, are not used in it
    (as in ATLOP's code).

    documents:          number of training documents.
    batch_size:         documents per batch and process.
    accumulation_steps: batches per step and process.
    processes:          number of processes.

    Raises DocreError if there are too few documents for one step.
    """

    documents: int
    batch_size: int
    accumulation_steps: int = 1
    processes: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.steps_per_epoch:
            raise DocreError(
                f"{self.documents} training documents are too few for one step of {self.documents_per_step} documents "
                f"(training.batch_size {self.batch_size} x accumulation_steps {self.accumulation_steps} x "
                f"{self.processes} processes)"
            )

    @property
    def documents_per_step(self) -> int:
        """Documents per step, of all processes together."""
        return self.batch_size * self.accumulation_steps * self.processes

    @property
    def steps_per_epoch(self) -> int:
        """Complete steps per epoch."""
        return self.documents // self.documents_per_step

    def epoch(self, epoch: int, process: int = 0) -> list[Step]:
        """The steps of an epoch, with the batches of one process (both numbered from 0)."""
        order = np.random.default_rng([self.seed, epoch]).permutation(self.documents).tolist()
        size, stride = self.batch_size, self.batch_size * self.processes
        steps = []
        for i in range(self.steps_per_epoch):
            taken = order[i * self.documents_per_step : (i + 1) * self.documents_per_step]
            starts = range(process * size, len(taken), stride)
            steps.append(Step(taken, [taken[start : start + size] for start in starts]))
        return steps
