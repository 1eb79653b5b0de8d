"""The training loop: epochs of optimizer steps, with AMP, accumulation and several processes through accelerate."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor

from docre.config.schema import Config
from docre.core.memory import keep_freed_memory
from docre.core.progress import progress_bar
from docre.data.features import Features
from docre.data.memory import enough_memory_for, name_documents
from docre.errors import DocreError
from docre.inference.predictor import Predictor
from docre.tensors import Batch
from docre.training.feed import Feed
from docre.training.interrupts import Interrupts
from docre.training.log import RunLog
from docre.training.objective import Objective
from docre.training.optimizer import build_optimizer, build_schedule

CHECK_EVERY = 10  # steps after which the host waits for a GPU to see whether all is well; for a CPU it need not wait


class RunCallbacks(Protocol):
    """What the loop asks of the run that it is part of."""

    interrupts: Interrupts

    def save(self) -> None:
        """Write the training state: after every `save_every` steps and at the end of an epoch."""

    def stop(self, number: int) -> None:
        """Save, and raise Interrupted for the signal `number`."""

    def after_epoch(self, epoch: int, loss: float) -> None:
        """The end of an epoch (from 1) with the mean loss of its steps. The state is saved."""

    def what_is_left(self) -> str:
        """What there is on the disk to go on from, for a message."""


@dataclass
class Progress:
    """Where a run stands.

    step:    optimizer steps in all.
    epoch:   the epoch, from 0.
    done:    steps done of it.
    skipped: steps of all that were not taken, because their loss or gradient was not finite.
    """

    step: int = 0
    epoch: int = 0
    done: int = 0
    skipped: int = 0


class Mean:
    """The mean of some steps' losses, kept on the device."""

    def __init__(self, device: torch.device) -> None:
        self.total = torch.zeros((), device=device)
        self.count = 0

    def add(self, loss: Tensor) -> None:
        """Add one step's loss."""
        self.total += loss
        self.count += 1

    def take(self) -> float | None:
        """The mean; None of nothing. Begins again."""
        mean = float(self.total) / self.count if self.count else None
        self.total.zero_()
        self.count = 0
        return mean


class Trainer:
    """Trains a predictor's model on labeled documents.

    predictor:   what is trained, in place.
    features:    the training documents.
    accelerator: devices, precision and processes.
    """

    def __init__(self, predictor: Predictor, features: Sequence[Features], accelerator: Accelerator) -> None:
        config: Config = predictor.config
        self.accelerator = accelerator
        self.config = config.training
        self.every = config.logging.every
        self.on_gpu = accelerator.device.type != "cpu"
        if not self.on_gpu and config.encoder.implementation != "plain":
            keep_freed_memory()
        self.feed = Feed(predictor, features, accelerator.process_index, accelerator.num_processes, pin=self.on_gpu)
        objective = Objective(predictor.model, predictor.loss).to(accelerator.device)
        optimizer = build_optimizer(objective, self.config)
        steps = self.config.epochs * self.feed.steps_per_epoch
        self.schedule = build_schedule(optimizer, steps, self.config.warmup)
        self.objective, self.optimizer = accelerator.prepare(objective, optimizer)
        self.progress = Progress()
        self.epoch_loss, self.recent_loss = Mean(accelerator.device), Mean(accelerator.device)
        self.failed = torch.zeros((), dtype=torch.long, device=accelerator.device)  # first step that was not finite

    def run(self, log: RunLog, run: RunCallbacks) -> None:
        """The epochs that are left. Raises DocreError where a loss is not finite, and what `run.stop` raises."""
        progress = self.progress
        while progress.epoch < self.config.epochs:
            self._train_epoch(log, run)
            loss = self.epoch_loss.take()
            if loss is None:
                raise DocreError(f"no step of epoch {progress.epoch + 1} had a finite loss; {run.what_is_left()}")
            progress.epoch, progress.done = progress.epoch + 1, 0
            run.after_epoch(progress.epoch, loss)

    def close(self) -> None:
        """Let go of the wrapped model, before its process group ends. The other way round torch joins the group's
        threads holding the GIL, for which one of them may be waiting, and the process hangs."""
        self.objective = self.accelerator.unwrap_model(self.objective)
        self.accelerator.free_memory()
        gc.collect()

    def _train_epoch(self, log: RunLog, run: RunCallbacks) -> None:
        """The steps that are left of an epoch. Every so many a line goes to the log, and the state to the disk."""
        self.objective.train()
        progress, steps = self.progress, self.feed.steps_per_epoch
        what = f"epoch {progress.epoch + 1}/{self.config.epochs}"
        bar = progress_bar(steps, what, "step", initial=progress.done, show=self.accelerator.is_main_process)
        with bar:
            for step, count, batches in self.feed.steps(progress.epoch, progress.done):
                norm = self._step(max(1, self.feed.pairs(step)), count, batches)
                progress.step, progress.done = progress.step + 1, progress.done + 1
                last = progress.done == steps
                logging = last or progress.done % self.every == 0
                saving = last or (self.config.save_every is not None and progress.step % self.config.save_every == 0)
                stop = 0
                if logging or saving or not self.on_gpu or progress.step % CHECK_EVERY == 0:
                    self._raise_if_failed(run)
                    stop = self._agreed(run.interrupts.asked)
                elif self.accelerator.num_processes == 1:
                    stop = run.interrupts.asked
                if logging:
                    self._log(log, bar, norm)
                if saving:
                    run.save()
                if stop:
                    run.stop(stop)
                bar.update()

    def _step(self, pairs: int, count: int, batches: Iterator[Batch]) -> Tensor:
        """One optimizer step; the norm of the gradient before clipping.

        The step's loss is the mean over all `pairs` of its documents, whatever batches and processes they are in.
        """
        loss = torch.zeros((), device=self.accelerator.device)
        for i, batch in enumerate(batches, start=1):
            with (
                enough_memory_for(batch, "training"),
                nullcontext() if i == count else self.accelerator.no_sync(self.objective),
            ):
                share = self.objective(batch.to(loss.device, non_blocking=True)) * (len(batch.pair_head) / pairs)
                self.accelerator.backward(share * self.accelerator.num_processes)
            loss += share.detach()
        loss = self.accelerator.reduce(loss, "sum")
        norm: Tensor = self.accelerator.clip_grad_norm_(self.objective.parameters(), self.config.clip)
        # with fp16 an infinite gradient is everyday: the scaler leaves the step out, and scales by less from then on
        finite = loss.isfinite() if self.accelerator.scaler is not None else loss.isfinite() & norm.isfinite()
        if self.config.on_nan == "skip" and not finite:
            self.optimizer.zero_grad()  # a step without gradients changes nothing
            self.progress.skipped += 1
        else:
            number = torch.where((self.failed == 0) & ~finite, self.progress.step + 1, self.failed)
            self.failed.copy_(number)
            self.epoch_loss.add(loss)
            self.recent_loss.add(loss)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return norm

    def _raise_if_failed(self, run: RunCallbacks) -> None:
        """Stop the run, naming the documents, if the loss of a step of this epoch was not finite."""
        failed = int(self.failed)
        if not failed:
            return
        progress = self.progress
        documents = name_documents(self.feed.titles(progress.epoch, failed - 1 - (progress.step - progress.done)))
        raise DocreError(
            f"step {failed} (epoch {progress.epoch + 1}): the loss or its gradient is not finite, with {documents}; "
            f"{run.what_is_left()}. Lower the learning rates, or set training.on_nan=skip"
        )

    def _agreed(self, signal: int) -> int:
        """The signal that any of the processes got: all stop at the same step."""
        if self.accelerator.num_processes == 1:
            return signal
        return int(self.accelerator.gather(torch.tensor([signal], device=self.accelerator.device)).max())

    def _log(self, log: RunLog, bar: Any, norm: Tensor) -> None:
        """One line on the steps since the last."""
        mean = self.recent_loss.take()
        if mean is not None:
            bar.set_postfix(loss=f"{mean:.4f}")
        progress, rates = self.progress, self.schedule.get_last_lr()
        values: dict[str, Any] = {"loss": mean, "norm": float(norm), "lr": rates[0], "head_lr": rates[1]}
        if progress.skipped:
            values["skipped"] = progress.skipped
        log.write("step", step=progress.step, epoch=progress.epoch + 1, **values)
