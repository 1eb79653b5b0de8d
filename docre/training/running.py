"""Starts and ends training runs of any kind: processes and precision, the folder, resuming, the log."""

import atexit
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import broadcast_object_list

from docre.core.files import parse_json, read_text
from docre.core.manifests import locked
from docre.core.memory import peak_memory, reset_peak_memory
from docre.errors import DocreError, LostProcess
from docre.models.precision import default_device, resolve_precision
from docre.training.base_run import Run
from docre.training.environment import device_name, launch_warnings, versions
from docre.training.folder import RESTART, ExistingRun, find_existing_run, prepare_folder, remove_states
from docre.training.interrupts import Interrupts
from docre.training.loop import Trainer
from docre.training.trackers import tracker_names

T = TypeVar("T")
PATIENCE = timedelta(hours=1)  # of a process that waits for others: the first may calibrate on dev alone
LOST = ("gloo", "Gloo", "Connection closed by peer", "Connection reset by peer")  # in messages, if a process is lost


def start_accelerator(config: Any) -> tuple[Accelerator, str]:
    """The accelerator of a run with this config, and the precision that it computes in. Raises DocreError for one that
    the device does not have."""
    if config.training.deterministic:
        make_deterministic()
    on_cpu = not torch.accelerator.is_available()
    PartialState(cpu=on_cpu, timeout=PATIENCE)  # the processes know of each other from here on
    precision: str = broadcast_object_list([resolve_precision(config.training.precision, default_device())])[0]
    if config.training.precision == "fp16" and precision != "fp16":
        raise DocreError("training.precision: fp16 needs a GPU; a CPU trains in bf16 or fp32")
    AcceleratorState._reset_state()  # an earlier run in this process may have used another precision
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if precision == "fp32" else precision,
        log_with=tracker_names(config.logging) or None,
        project_dir=config.output,
    )
    reset_peak_memory(accelerator.device)
    return accelerator, precision


@dataclass(frozen=True)
class Launch:
    """A training that is ready to start.

    config:    of the run.
    trainer:   trains its model.
    precision: that it computes in.
    inputs:    what the run reads, by name, as digests.
    facts:     what else is kept in saved states and in metrics.json.
    warnings:  lines about the data.
    about:     what is trained on what, for the console.
    make_run:  makes the run, of its `setting`, the signals, and the folder of the state that it resumes from.
    """

    config: Any
    trainer: Trainer
    precision: str
    inputs: Mapping[str, str]
    facts: Mapping[str, Any]
    warnings: Iterable[str]
    about: str
    make_run: Callable[[dict[str, Any], Interrupts, Path | None], Run]

    def run(self, restart: bool) -> dict[str, Any]:
        """Start the run in its folder or resume it there; return the content of metrics.json. A finished run is not
        repeated.

        restart: remove the results and states of the run in its folder, and start over.
        """
        trainer, accelerator = self.trainer, self.trainer.accelerator
        device, processes = accelerator.device, accelerator.num_processes
        environment = {"seed": self.config.seed, "device": device_name(device), "precision": self.precision}
        environment |= versions()
        machine = {"device": device.type, "precision": self.precision, "number of processes": processes}
        setting = {"data": self.inputs, "machine": machine, "versions": versions(), **self.facts}
        output = Path(self.config.output)
        messages: list[str] = []

        def warn(message: str) -> None:
            messages.append(message)
            if accelerator.is_main_process:
                print(f"docre: warning: {message}", file=sys.stderr)

        for message in (*launch_warnings(processes), *self.warnings):
            warn(message)

        def open_folder() -> ExistingRun:
            existing = ExistingRun() if restart else find_existing_run(output, self.config, setting, warn)
            if existing.difference:
                raise DocreError(f"{output} holds a run with {existing.difference}. {RESTART}")
            if existing.metrics is None:
                prepare_folder(output, self.config, existing)
            return existing

        lock = locked(output) if accelerator.is_main_process else nullcontext()
        with lock, Interrupts() as interrupts, ending_together(accelerator):
            existing = on_main_process(accelerator, open_folder)
            if existing.metrics is not None:
                if accelerator.is_main_process:
                    remove_states(output)
                    print(finished_message(output))
                return existing.metrics
            run = self.make_run(setting, interrupts, existing.state)
            if existing.state:
                event, text = "resume", resume_message(trainer, existing.state)
            else:
                event, text = "start", f"{self.about}, {trainer.feed.steps_per_epoch} steps an epoch"
            run.log.write(event, text, step=trainer.progress.step, **environment)
            for message in messages:
                run.log.write("warning", message=message)
            trainer.run(run.log, run)
            memory = round(peak_memory(device))
            done = {"steps": trainer.progress.step, **environment, "peak_memory_mb": memory}
            metrics = run.finish(**done, data=self.inputs, **self.facts)
        accelerator.wait_for_everyone()  # until the main process has written the metrics
        trainer.close()
        for tracker in accelerator.trackers:
            tracker.finish()
        atexit.register(end_process_group)
        return metrics


@contextmanager
def ending_together(accelerator: Accelerator) -> Iterator[None]:
    """Turns the error that a process meets when another one has ended into a LostProcess, a DocreError."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, torch.distributed.DistError) or any(sign in str(error) for sign in LOST)
        if accelerator.num_processes == 1 or not lost:
            raise
        raise LostProcess(
            "another process of this training has ended: its own message tells why; the same command on all machines "
            "goes on from the last saved state"
        ) from None


def end_process_group() -> None:
    """Leave the group of processes, if there are several. At the very end only, as a group cannot be formed again."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def make_deterministic() -> None:
    """Let torch use only algorithms that give the same result every time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def on_main_process(accelerator: Accelerator, action: Callable[[], T]) -> T:
    """Run `action` in the main process, and return its result, or raise its DocreError, in every process."""
    outcome: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            outcome = [action()]
        except DocreError as error:
            outcome = [error]
    broadcast_object_list(outcome)
    if isinstance(outcome[0], DocreError):
        raise outcome[0]
    result: T = outcome[0]
    return result


def resume_message(trainer: Trainer, state: Path) -> str:
    """Where the run resumes, for the console."""
    progress = trainer.progress
    return f"resuming from {state}: step {progress.step}, epoch {progress.epoch + 1}/{trainer.config.epochs}"


def finished_message(output: Path) -> str:
    """The test scores of a finished run, from its log, and that there is nothing to do; for the console."""
    log = output / "log.jsonl"
    lines = [line for line in read_text(log).splitlines() if '"event": "test"' in line]
    table = parse_json(lines[-1], str(log)).get("table", "") if lines else ""
    return f"{table}\n\n{output} is finished: nothing to do (--restart trains again)".lstrip()
