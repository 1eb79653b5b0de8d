"""What every training run has: a folder, a trainer, a log, results so far, and states from which it resumes."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

from accelerate.utils import gather_object

from docre.core.files import write_json
from docre.training.folder import remove_states, removed
from docre.training.interrupts import Interrupted, Interrupts
from docre.training.log import RunLog
from docre.training.loop import Trainer
from docre.training.snapshot import capture, restore
from docre.training.state import State, load_state, save_state
from docre.training.trackers import start_trackers

Result = dict[str, Any]  # epoch, step (within an epoch), loss, and scores on dev by name


class Run(ABC):
    """One training run, new or resumed.

    output:     the folder of the run.
    config:     its config.
    trainer:    trains its model.
    setting:    what the run depends on besides its config; saved with the state.
    interrupts: the signals received.
    state:      the folder of the saved state to resume from, None for a new run.
    epochs:     the results at the ends of the epochs so far; evaluations: those within epochs; best: the one whose
                checkpoint is kept.
    """

    def __init__(
        self,
        output: Path,
        config: Any,
        trainer: Trainer,
        setting: dict[str, Any],
        interrupts: Interrupts,
        state: Path | None = None,
    ) -> None:
        self.output = output
        self.trainer = trainer
        self.accelerator = trainer.accelerator
        self.setting = setting
        self.interrupts = interrupts
        self.epochs: list[Result] = []
        self.evaluations: list[Result] = []
        self.best: Result = {}
        self.saved_state = state
        self.started = time.perf_counter()
        log_size = 0
        if state is not None:
            log_size = self._resume(load_state(state))
        path = output / "log.jsonl" if self.accelerator.is_main_process else None
        start_trackers(self.accelerator, config)
        self.log = RunLog(path, self.accelerator.log, keep=log_size)

    def _resume(self, state: State) -> int:
        """Restore a saved state; return the size in bytes that the log had when it was saved."""
        restore(self.trainer, state)
        self.epochs = state.values["epochs"]
        self.evaluations = state.values.get("evaluations", [])
        self.best = state.values["best"]
        self.started -= state.values["seconds"]
        return int(state.values["log"])

    def save(self) -> None:
        """Save the training state. Every process has to call this; the main one writes."""
        state = capture(self.trainer)
        self.saved_state = self.output / f"state-{self.trainer.progress.step}"
        if self.accelerator.is_main_process:
            results = self.results() | {"seconds": time.perf_counter() - self.started}
            values = state.values | results | {"log": self.log.sync(), "setting": self.setting}
            save_state(self.output, self.trainer.progress.step, State(state.tensors, values))

    def stop(self, number: int) -> NoReturn:
        """Save the state, unless that is done already, and raise Interrupted for the signal `number`."""
        progress = self.trainer.progress
        if self.saved_state != self.output / f"state-{progress.step}":
            self.save()
        self.accelerator.wait_for_everyone()  # once one process ends, a launcher ends all others
        raise Interrupted(f"stopped at step {progress.step}. {self._how_to_continue()}", number)

    def describe_saved(self) -> str:
        """Which state and checkpoint are saved so far, for an error message."""
        saved = f"the last saved state is {self.saved_state}" if self.saved_state else "no state is saved yet"
        return saved + (f", the best checkpoint {self.output / 'best'}" if self.best else "")

    def results(self) -> dict[str, Any]:
        """The results so far, under their names in metrics.json."""
        within = {"evaluations": self.evaluations} if self.evaluations else {}
        return {"best": self.best, "epochs": self.epochs, **within}

    def after_epoch(self, epoch: int, loss: float) -> None:
        """Evaluate on dev, log the scores, and keep the checkpoint if it is the best (without dev, always).

        epoch: from 1; loss: the mean of its steps. The state has been saved.
        """
        result = {"epoch": epoch, "loss": loss} | self.dev_scores()
        self.epochs.append(result)
        self._record("epoch", result)

    def within_epoch(self, epoch: int, step: int, loss: float) -> None:
        """Do the same after `step` steps of the run (without dev, nothing); `loss` is the mean of the epoch so far."""
        if scores := self.dev_scores():
            result = {"epoch": epoch, "step": step, "loss": loss} | scores
            self.evaluations.append(result)
            self._record("evaluation", result)

    def _record(self, event: str, result: Result) -> None:
        """Log a result, and keep the checkpoint if it is the best."""
        place = where(result, f"/{self.trainer.config.epochs}")
        self.log.write(event, f"{place}  loss {result['loss']:.4f}{self.scores_text(result)}", **result)
        score = self.score(result)
        if score is None or not self.best or score > self.score(self.best):
            self.best = result
            if self.accelerator.is_main_process:
                self.save_checkpoint(self.output / "best")

    def write_metrics(self, metrics: dict[str, Any], names: list[str]) -> None:
        """Write metrics.json, which marks the run as finished, and remove its saved states. `names`: what else it has
        written. Raises DocreError if any of that has disappeared."""
        if self.accelerator.is_main_process:
            for name in names:
                if not (self.output / name).exists():
                    raise removed(self.output / name)
            write_json(self.output / "metrics.json", metrics)
            remove_states(self.output)
            self.log.write("end", f"\nwritten to {self.output}/: metrics.json, {', '.join(names)}")
        self.log.close()

    @abstractmethod
    def dev_scores(self) -> Result:
        """Evaluate on dev: scores by name; empty without labeled dev documents. All processes call it."""

    @abstractmethod
    def score(self, result: Result) -> Any:
        """The score, of these, that chooses the checkpoint, the higher the better; None if there are none."""

    @abstractmethod
    def scores_text(self, result: Result) -> str:
        """The scores for the console, beginning with two spaces; empty if there are none."""

    @abstractmethod
    def save_checkpoint(self, folder: Path) -> None:
        """Write the model as it is now."""

    @abstractmethod
    def finish(self, **facts: Any) -> dict[str, Any]:
        """Evaluate the best checkpoint on the test documents, write metrics.json with `facts` added, and return its
        content."""

    def _shared(self, items: Sequence[Any], work: Callable[[list[Any]], Sequence[Any]]) -> list[Any]:
        """What `work` returns for all items, in order. The processes share the work, and each gets all results."""
        own = range(self.accelerator.process_index, len(items), self.accelerator.num_processes)
        done = work([items[i] for i in own])
        gathered = gather_object(list(zip(own, done, strict=True)))
        return [result for _, result in sorted(gathered, key=lambda pair: pair[0])]

    def _stop_on_signal(self) -> AbstractContextManager[None]:
        """Context for an evaluation: a signal ends it at once, since the state has been saved before. With several
        processes the signal waits for the next step instead, so that all stop together."""
        if self.accelerator.num_processes > 1:
            return nullcontext()
        return self.interrupts.at_once(f"stopped while evaluating. {self._how_to_continue()}")

    def _how_to_continue(self) -> str:
        return f"The state is saved in {self.saved_state}: the same command resumes from there"


def where(result: Result, of: str = "") -> str:
    """The place of a result in its run; `of` follows the number of the epoch."""
    step = f", step {result['step']}" if "step" in result else ""
    return f"epoch {result['epoch']}{of}{step}"
