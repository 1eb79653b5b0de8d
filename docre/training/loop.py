"""The training loop: epochs of optimiser steps, with AMP, accumulation and several processes through accelerate."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from docre.config import Config
from docre.data.features import Features
from docre.data.sampling import Step, StepSampler
from docre.predictor import Predictor
from docre.tensors import Batch
from docre.training.log import RunLog
from docre.training.objective import Objective
from docre.training.optimizer import build_optimizer, build_schedule


class Trainer:
    """Trains a predictor's model on labelled documents.

    predictor:   what is trained, in place.
    features:    the training documents.
    accelerator: devices, precision and processes.
    """

    def __init__(self, predictor: Predictor, features: Sequence[Features], accelerator: Accelerator) -> None:
        config: Config = predictor.config
        self.predictor = predictor
        self.features = features
        self.accelerator = accelerator
        self.config = config.training
        self.every = config.logging.every
        self.sampler = StepSampler(
            len(features),
            self.config.batch_size,
            self.config.accumulation_steps,
            accelerator.num_processes,
            config.seed,
        )
        objective = Objective(predictor.model, predictor.loss).to(accelerator.device)
        optimizer = build_optimizer(objective, self.config)
        steps = self.config.epochs * self.sampler.steps_per_epoch
        self.schedule = build_schedule(optimizer, steps, self.config.warmup)
        self.objective, self.optimizer = accelerator.prepare(objective, optimizer)
        self.step = 0

    def run(self, log: RunLog, after_epoch: Callable[[int, float], None]) -> None:
        """All epochs. After each, `after_epoch` gets its number (from 1) and the mean loss of its steps."""
        for epoch in range(self.config.epochs):
            after_epoch(epoch + 1, self.train_epoch(epoch, log))

    def train_epoch(self, epoch: int, log: RunLog) -> float:
        """One epoch (from 0); the mean loss of its steps. Every so many steps a line goes to the log."""
        self.objective.train()
        steps = self.sampler.epoch(epoch, self.accelerator.process_index)
        batches = iter(self._loader(steps))
        total = torch.zeros((), device=self.accelerator.device)
        recent = torch.zeros_like(total)
        label = f"epoch {epoch + 1}/{self.config.epochs}"
        with tqdm(steps, desc=label, unit="step", disable=not self.accelerator.is_main_process, leave=False) as bar:
            for done, step in enumerate(bar, start=1):
                loss, norm = self._step(step, batches)
                total += loss
                recent += loss
                self.step += 1
                if done % self.every == 0 or done == len(steps):
                    since = self.every if done % self.every == 0 else done % self.every
                    mean = self._mean(recent) / since
                    bar.set_postfix(loss=f"{mean:.4f}")
                    rates = self.schedule.get_last_lr()
                    values: dict[str, Any] = {"loss": mean, "norm": float(norm), "lr": rates[0], "head_lr": rates[1]}
                    log.write("step", step=self.step, epoch=epoch + 1, **values)
                    recent.zero_()
        return self._mean(total) / len(steps)

    def _step(self, step: Step, batches: Any) -> tuple[Tensor, Tensor]:
        """One optimiser step: this process's share of the loss, and the norm of the gradient before clipping.

        The step's loss is the mean over all pairs of all its documents, whatever batches and processes they are in.
        """
        pairs = max(1, sum(len(self.features[i].pairs) for i in step.documents))
        total = torch.zeros((), device=self.accelerator.device)
        for i in range(len(step.batches)):
            batch: Batch = next(batches).to(self.accelerator.device, non_blocking=True)
            last = i == len(step.batches) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.objective):
                loss = self.objective(batch) * (len(batch.pair_head) / pairs)
                self.accelerator.backward(loss * self.accelerator.num_processes)
            total += loss.detach()
        norm = self.accelerator.clip_grad_norm_(self.objective.parameters(), self.config.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return total, norm

    def _loader(self, steps: Sequence[Step]) -> DataLoader[Batch]:
        return DataLoader(
            self.features,  # type: ignore[arg-type]
            batch_sampler=[list(batch) for step in steps for batch in step.batches],
            collate_fn=self.predictor.collate,
            num_workers=self.config.workers,
            pin_memory=self.accelerator.device.type == "cuda",
        )

    def _mean(self, share: Tensor) -> float:
        """The sum over processes of their shares of a loss."""
        return float(self.accelerator.reduce(share, "sum"))
