"""Which documents a process takes in which step: random, seeded, the same however many processes there are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from docre.errors import DocreError


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    documents: what all processes together take, in order.
    batches:   the batches that this process takes of them.
    """

    documents: Sequence[int]
    batches: Sequence[Sequence[int]]


@dataclass(frozen=True)
class StepSampler:
    """Deals the training documents out to steps, batches and processes.

    An epoch is a random order that depends on the seed and the epoch alone. A step takes the next `batch_size *
    accumulation_steps * processes` documents of it, so that a run of two processes takes the same documents in a step
    as a run of one with twice the batch. What is left at the end of an epoch, too little for a step, waits for another
    epoch (as published).
    """

    documents: int
    batch_size: int
    accumulation_steps: int = 1
    processes: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.steps_per_epoch:
            raise DocreError(
                f"{self.documents} training documents are too few for one step of {self.documents_per_step} "
                f"(training.batch_size {self.batch_size} x accumulation_steps {self.accumulation_steps} x "
                f"{self.processes} processes)"
            )

    @property
    def documents_per_step(self) -> int:
        """Documents that all processes together take in a step."""
        return self.batch_size * self.accumulation_steps * self.processes

    @property
    def steps_per_epoch(self) -> int:
        """Whole steps in an epoch."""
        return self.documents // self.documents_per_step

    def epoch(self, epoch: int, process: int = 0) -> list[Step]:
        """The steps of an epoch (from 0) for one process."""
        order = np.random.default_rng([self.seed, epoch]).permutation(self.documents).tolist()
        size, stride = self.batch_size, self.batch_size * self.processes
        steps = []
        for i in range(self.steps_per_epoch):
            taken = order[i * self.documents_per_step : (i + 1) * self.documents_per_step]
            starts = range(process * size, len(taken), stride)
            steps.append(Step(taken, [taken[start : start + size] for start in starts]))
        return steps
