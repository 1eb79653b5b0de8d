"""A process for each thing that is timed, so that none has another's memory, cache or allocator."""

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from docre.core.memory import largest_resident, proc_status
from docre.errors import DocreError


def forget_peak(device: torch.device) -> None:
    """Start a new peak of memory, where the system can (CUDA, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def resident() -> float:
    """MB of resident memory now."""
    return proc_status("VmRSS") or largest_resident()


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
    """Answer until the parent closes the pipe; where `make` fails, with its error."""
    try:
        subject = make(settings)
    except DocreError as error:
        subject = error
    with suppress(EOFError, BrokenPipeError):
        while True:
            name, arguments = pipe.recv()
            pipe.send(subject if isinstance(subject, DocreError) else getattr(subject, name)(*arguments))
