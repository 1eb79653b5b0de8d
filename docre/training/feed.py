"""The training batches of an epoch, grouped by optimizer step, from any step on."""

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch.utils.data import DataLoader

from docre.config.schema import Config
from docre.data.features import Features
from docre.data.limits import Limits
from docre.data.sampling import Step, StepSampler
from docre.inference.predictor import Predictor
from docre.tensors import Batch
from docre.training.interrupts import ignore_interrupts


class Feed:
    """Provides this process with its share of the training batches, as the config says.

    predictor: its config applies, and it collates features into batches.
    features:  the training documents.
    process:   index of this process, of `processes` in all.
    pin:       put the batches into page-locked memory, for a GPU.
    """

    def __init__(
        self, predictor: Predictor, features: Sequence[Features], process: int, processes: int, pin: bool
    ) -> None:
        config: Config = predictor.config
        training = config.training
        self.features = features
        self.loss_rows = predictor.model.loss_rows
        self.collate = predictor.collate
        self.process = process
        self.workers = training.workers
        self.pin = pin
        self.limits = Limits(
            training.max_pairs_per_batch, training.max_tokens_per_batch, predictor.model.pairs_interact
        )
        self.sampler = StepSampler(
            len(features), training.batch_size, training.accumulation_steps, processes, config.seed
        )

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimizer steps in an epoch."""
        return self.sampler.steps_per_epoch

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[Step, int, Iterator[Batch]]]:
        """The steps of an epoch (from 0) after the first `start`: for each the step, the number of batches that this
        process takes in it, and these batches. Uses no random generator but its own."""
        steps = self.sampler.epoch(epoch, self.process)[start:]
        plan = [[part for batch in step.batches for part in self._parts(batch)] for step in steps]
        loader: DataLoader[Batch] = DataLoader(
            [part for parts in plan for part in parts],  # type: ignore[arg-type]
            batch_size=None,
            collate_fn=self.collate,
            num_workers=self.workers,
            worker_init_fn=ignore_interrupts,
            pin_memory=self.pin,
            generator=torch.Generator(),
        )
        stream = iter(loader)
        for step, parts in zip(steps, plan, strict=True):
            yield step, len(parts), islice(stream, len(parts))

    def totals(self, step: Step) -> dict[str, int]:
        """The numbers of pairs of all documents of a step, over all processes: the "pairs" that the loss is a mean
        over, and the "labeled" ones."""
        documents = [self.features[i] for i in step.documents]
        pairs, entities = sum(len(d.pairs) for d in documents), sum(d.num_entities for d in documents)
        return {"pairs": self.loss_rows(pairs, entities), "labeled": sum(d.num_labeled for d in documents)}

    def titles(self, epoch: int, index: int) -> list[str]:
        """The titles of the documents of one step of an epoch (both from 0), over all processes."""
        return [self.features[i].title for i in self.sampler.epoch(epoch)[index].documents]

    def _parts(self, batch: Sequence[int]) -> list[list[Features]]:
        return self.limits.split_batch([self.features[i] for i in batch])
