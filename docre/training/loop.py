"""The training loop: epochs of optimizer steps. Mixed precision and several processes come from accelerate."""

import gc
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor

from docre.core.memory import keep_freed_memory
from docre.core.progress import progress_bar
from docre.data.features import Features
from docre.data.memory import enough_memory_for, name_documents
from docre.errors import DocreError
from docre.tensors import Batch
from docre.training.feed import Feed
from docre.training.interrupts import Interrupts
from docre.training.log import RunLog
from docre.training.objective import Objective
from docre.training.optimizer import build_optimizer, build_schedule

CHECK_EVERY = 10  # steps between checks that losses are finite: on a GPU each makes the host wait (a CPU checks always)
LEAST_SCALE = 2.0**-16  # of the loss in fp16: each infinite gradient halves the scale, from 2^16


class RunCallbacks(Protocol):
    """What the training loop calls in the run that it belongs to."""

    interrupts: Interrupts

    def save(self) -> None:
        """Write the training state. Called after every `save_every` steps, at the end of each epoch, and before each
        evaluation."""

    def stop(self, number: int) -> None:
        """Save, and raise Interrupted for the signal `number`."""

    def after_epoch(self, epoch: int, loss: float) -> None:
        """Called at the end of an epoch (from 1) with the mean loss of its steps, when the state has been saved."""

    def within_epoch(self, epoch: int, step: int, loss: float) -> None:
        """Called after every `evaluate_every` steps of the run, but for the last of an epoch, with the mean loss of the
        epoch so far."""

    def describe_saved(self) -> str:
        """Which state and checkpoint are saved so far, for an error message."""


@dataclass
class Progress:
    """The position of a run. Saved states hold these fields under these names.

    step:    optimizer steps done in all.
    epoch:   index of the current epoch, from 0.
    done:    steps done of the current epoch.
    skipped: steps, of all, without an update, because the loss or gradient was not finite (training.on_nan=skip).
    """

    step: int = 0
    epoch: int = 0
    done: int = 0
    skipped: int = 0


class Mean:
    """A running mean of the losses of steps, kept on the device."""

    def __init__(self, device: torch.device) -> None:
        self.total = torch.zeros((), device=device)
        self.count = 0

    def add(self, loss: Tensor) -> None:
        """Add one step's loss."""
        self.total += loss
        self.count += 1

    def value(self) -> float | None:
        """The mean; None if no loss was added."""
        return float(self.total) / self.count if self.count else None

    def pop(self) -> float | None:
        """Return the mean, None if no loss was added, and start again from nothing."""
        mean = self.value()
        self.total.zero_()
        self.count = 0
        return mean


class Trained(Protocol):
    """What is optimized, as a module: docre.training.objective.Objective, say.

    model:      the model, with its `rate_groups`.
    epoch:      the current epoch, from 1; the trainer sets it.
    part_names: the names of all parts that it may have.
    """

    model: Any
    epoch: int
    part_names: Sequence[str]

    def parts(self) -> Sequence[str]:
        """The names of what it consists of in the current epoch, if that is logged."""

    def __call__(self, batch: Batch, totals: Mapping[str, int]) -> tuple[Tensor, Sequence[Tensor]]:
        """The share of a batch in the objective of its step, a scalar, and that of each of its parts. `totals`: what
        `Learner.counts` says of all documents of the step."""


class Trainer:
    """Trains a model on labeled documents.

    learner:     its model is trained in place, as its config says.
    features:    the training documents.
    accelerator: handles device, precision and processes.
    objective:   a module (see Trained); by default the Objective of a Predictor.
    """

    def __init__(
        self, learner: Any, features: Sequence[Features], accelerator: Accelerator, objective: Any = None
    ) -> None:
        config: Any = learner.config
        self.accelerator = accelerator
        self.config = config.training
        self.log_every = config.logging.every
        self.on_gpu = accelerator.device.type != "cpu"
        if not self.on_gpu and config.encoder.implementation != "plain":
            keep_freed_memory()
        self.feed = Feed(learner, features, accelerator.process_index, accelerator.num_processes, pin=self.on_gpu)
        objective = Objective(learner.model, learner.loss, config.terms) if objective is None else objective
        objective = objective.to(accelerator.device)
        optimizer = build_optimizer(objective, self.config)
        steps = self.config.epochs * self.feed.steps_per_epoch
        self.schedule = build_schedule(optimizer, steps, self.config.warmup)
        if not learner.model.encoder.packed:  # transformers' own modules may have parameters that are not used
            accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.objective, self.optimizer = accelerator.prepare(objective, optimizer)
        self.progress = Progress()
        self.epoch_loss, self.recent_loss = Mean(accelerator.device), Mean(accelerator.device)
        self.recent_parts = {name: Mean(accelerator.device) for name in objective.part_names}
        # number of the first step that was not finite, from 1; 0 for none
        self.failed_step = torch.zeros((), dtype=torch.long, device=accelerator.device)

    def run(self, log: RunLog, run: RunCallbacks) -> None:
        """Train the remaining epochs. Raises DocreError if a loss is not finite, and Interrupted from `run.stop`."""
        progress = self.progress
        while progress.epoch < self.config.epochs:
            self._train_epoch(log, run)
            loss = self.epoch_loss.pop()
            if loss is None:
                raise DocreError(f"no step of epoch {progress.epoch + 1} had a finite loss; {run.describe_saved()}")
            progress.epoch, progress.done = progress.epoch + 1, 0
            run.after_epoch(progress.epoch, loss)

    def close(self) -> None:
        """Release the distributed wrapper of the model. This has to happen before its process group ends: otherwise
        torch joins the group's threads while holding the GIL, which one of them may be waiting for: a deadlock."""
        self.objective = self.accelerator.unwrap_model(self.objective)
        self.accelerator.free_memory()
        gc.collect()

    def _train_epoch(self, log: RunLog, run: RunCallbacks) -> None:
        """Run the remaining steps of the current epoch; log, save and stop where that is due."""
        self.accelerator.unwrap_model(self.objective).epoch = self.progress.epoch + 1
        progress, steps = self.progress, self.feed.steps_per_epoch
        self.objective.train()
        if progress.done and self._evaluates():  # the state that the run resumes from was saved before
            self._evaluate(run)
        title = f"epoch {progress.epoch + 1}/{self.config.epochs}"
        bar = progress_bar(steps, title, "step", initial=progress.done, show=self.accelerator.is_main_process)
        with bar:
            for batches, totals in self.feed.steps(progress.epoch, progress.done):
                norm = self._step(self._over_processes(totals), batches)
                progress.step, progress.done = progress.step + 1, progress.done + 1
                last = progress.done == steps
                logging = last or progress.done % self.log_every == 0
                evaluating = self._evaluates()
                saving = last or evaluating or self._is_due(self.config.save_every)
                stop = 0
                if logging or saving or not self.on_gpu or progress.step % CHECK_EVERY == 0:
                    self._raise_if_failed(run)
                    stop = self._shared_signal(run.interrupts.received)
                elif self.accelerator.num_processes == 1 and (stop := run.interrupts.received):
                    self._raise_if_failed(run)  # a failed step must not become the saved state
                if logging:
                    self._log(log, bar, norm)
                if saving:
                    run.save()
                if stop:
                    run.stop(stop)
                if evaluating:
                    self._evaluate(run)
                bar.update()

    def _is_due(self, every: int | None) -> bool:
        """Whether what happens after so many steps happens now."""
        return every is not None and self.progress.step % every == 0

    def _evaluates(self) -> bool:
        """Whether the model is evaluated now, within the epoch."""
        return self.progress.done < self.feed.steps_per_epoch and self._is_due(self.config.evaluate_every)

    def _evaluate(self, run: RunCallbacks) -> None:
        """Let the run evaluate, unless no step of the epoch had a finite loss yet."""
        loss = self.epoch_loss.value()
        if loss is not None:
            run.within_epoch(self.progress.epoch + 1, self.progress.step, loss)
            self.objective.train()

    def _over_processes(self, counts: dict[str, int]) -> dict[str, int]:
        """The sums of counts over all processes. A single process need not wait for its device."""
        if self.accelerator.num_processes == 1:
            return counts
        values = torch.tensor(list(counts.values()), device=self.accelerator.device)
        return dict(zip(counts, self.accelerator.reduce(values, "sum").tolist(), strict=True))

    def _step(self, totals: Mapping[str, int], batches: Sequence[Batch]) -> Tensor:
        """Take one optimizer step; return the norm of the gradient before clipping.

        The loss and the terms are means over all pairs of the step, however these are split into batches and processes.

        totals:  numbers of pairs of the step, over all processes (see `Objective.forward`).
        batches: those of this process.
        """
        device = self.accelerator.device
        names = self.accelerator.unwrap_model(self.objective).parts()
        sums = torch.zeros(1 + len(names), device=device)  # the objective, then its parts
        for i, batch in enumerate(batches, start=1):
            with (
                enough_memory_for(batch, "training"),
                nullcontext() if i == len(batches) else self.accelerator.no_sync(self.objective),
            ):
                share, parts = self.objective(batch.to(device, non_blocking=True), totals)
                self.accelerator.backward(share * self.accelerator.num_processes)
            sums += torch.stack([share.detach(), *parts])
        sums = self.accelerator.reduce(sums, "sum")
        loss = sums[0]
        norm: Tensor = self.accelerator.clip_grad_norm_(self.objective.parameters(), self.config.clip)
        # with fp16 infinite gradients are normal: the scaler skips the step, and reduces its scale
        finite = loss.isfinite() if self.accelerator.scaler is not None else loss.isfinite() & norm.isfinite()
        if self.config.on_nan == "skip" and not finite:
            self.optimizer.zero_grad()  # without gradients, optimizer.step() changes nothing
            self.progress.skipped += 1
        else:
            failed = torch.where((self.failed_step == 0) & ~finite, self.progress.step + 1, self.failed_step)
            self.failed_step.copy_(failed)
            self.epoch_loss.add(loss)
            self.recent_loss.add(loss)
            for name, part in zip(names, sums[1:], strict=True):
                self.recent_parts[name].add(part)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return norm

    def _raise_if_failed(self, run: RunCallbacks) -> None:
        """Raise DocreError, naming the documents, if the loss or gradient of a step of this epoch was not finite; with
        fp16 if no scale of the loss makes gradients finite."""
        progress, scaler = self.progress, self.accelerator.scaler
        if scaler is not None and scaler.get_scale() < LEAST_SCALE:
            raise DocreError(
                f"step {progress.step} (epoch {progress.epoch + 1}): no gradient is finite any more in fp16; "
                f"{run.describe_saved()}. Set training.precision=fp32, or lower the learning rates"
            )
        failed = int(self.failed_step)
        if not failed:
            return
        documents = name_documents(self.feed.titles(progress.epoch, failed - 1 - (progress.step - progress.done)))
        raise DocreError(
            f"step {failed} (epoch {progress.epoch + 1}): the loss or its gradient is not finite, with {documents}; "
            f"{run.describe_saved()}. Lower the learning rates, or set training.on_nan=skip"
        )

    def _shared_signal(self, signal: int) -> int:
        """The number of the signal that any process received, so that all stop at the same step; 0 for none."""
        if self.accelerator.num_processes == 1:
            return signal
        return int(self.accelerator.gather(torch.tensor([signal], device=self.accelerator.device)).max())

    def _log(self, log: RunLog, bar: Any, norm: Tensor) -> None:
        """Log the mean loss since the last call, the norm of the last gradient, and the learning rates."""
        mean = self.recent_loss.pop()
        if mean is not None:
            bar.set_postfix(loss=f"{mean:.4f}")
        progress = self.progress
        values: dict[str, Any] = {"loss": mean, "norm": float(norm)}
        parts = {f"loss/{name}": part.pop() for name, part in self.recent_parts.items()}
        values |= {name: part for name, part in parts.items() if part is not None}
        for group in self.optimizer.param_groups:
            values["lr" if group["name"] == "encoder" else f"{group['name']}_lr"] = group["lr"]
        if progress.skipped:
            values["skipped"] = progress.skipped
        log.write("step", step=progress.step, epoch=progress.epoch + 1, **values)
