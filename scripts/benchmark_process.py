"""A process for each thing that is timed, so that none has another's memory, cache or allocator."""

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from docre.errors import DocreError


def forget_peak(device: torch.device) -> None:
    """Start a new peak, where the system can (CUDA, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: torch.device) -> float:
    """MB at most since `forget_peak`; on a CPU the resident memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return proc_status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def resident() -> float:
    """MB of resident memory now."""
    return proc_status("VmRSS") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def proc_status(name: str) -> float:
    """A size in /proc/self/status in MB; 0 where there is no such thing."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{name}:")), 0.0)


class Worker:
    """`make(settings)` in a process of its own: `worker.ask("train", documents)` is its `train(documents)`."""

    def __init__(self, make: Callable[[Any], Any], settings: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=serve, args=(end, make, settings), daemon=True)
        self._process.start()
        end.close()

    def ask(self, name: str, *arguments: Any) -> Any:
        try:
            self._pipe.send((name, arguments))
            answer = self._pipe.recv()
        except (EOFError, BrokenPipeError):
            raise DocreError("a process of the benchmark died (out of memory?)") from None
        if isinstance(answer, DocreError):
            raise answer
        return answer

    def stop(self) -> None:
        self._pipe.close()
        self._process.join()


def serve(pipe: Connection, make: Callable[[Any], Any], settings: Any) -> None:
    """Answer until the parent closes the pipe."""
    try:
        subject = make(settings)
    except DocreError as error:
        pipe.recv()
        pipe.send(error)
        return
    while True:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(getattr(subject, name)(*arguments))
