"""Runs each side of the benchmark in a process of its own, so that they share no memory, cache or allocator."""

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from docre.core.memory import peak_resident_memory, proc_status
from docre.errors import DocreError


def forget_peak(device: torch.device) -> None:
    """Reset the peak memory of the process, if the system can (CUDA, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def resident() -> float:
    """The current resident memory, in MB."""
    return proc_status("VmRSS") or peak_resident_memory()


class Worker:
    """Runs `make(settings)` in a new process, and calls its methods there: see `ask`."""

    def __init__(self, make: Callable[[Any], Any], settings: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=serve, args=(end, make, settings), daemon=True)
        self._process.start()
        end.close()

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call the method `name` in the process; returns its result. Raises DocreError if the process failed."""
        try:
            self._pipe.send((name, arguments))
            answer = self._pipe.recv()
        except (EOFError, BrokenPipeError):
            raise DocreError("a process of the benchmark died (out of memory?)") from None
        if isinstance(answer, DocreError):
            raise answer
        return answer

    def stop(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()


def serve(pipe: Connection, make: Callable[[Any], Any], settings: Any) -> None:
    """Answer calls until the parent closes the pipe. If `make` raised a DocreError, every answer is that error."""
    try:
        subject = make(settings)
    except DocreError as error:
        subject = error
    with suppress(EOFError, BrokenPipeError):
        while True:
            name, arguments = pipe.recv()
            pipe.send(subject if isinstance(subject, DocreError) else getattr(subject, name)(*arguments))
