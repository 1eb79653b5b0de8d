"""Commands in forked children of a process that has torch imported already, to be killed, interrupted and paired."""

import faulthandler
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from tqdm import tqdm

from docre.commands import train
from docre.core import cli

forks = pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which CUDA and Windows do not take"
)
STUCK = 60  # seconds after which a child says where it is


class Child:
    """`docre train ARGUMENTS`, or another command, in a forked process.

    output:      the file that takes what it prints.
    environment: variables to set in it.
    prepare:     called in it first.
    main:        the command.
    """

    def __init__(
        self,
        arguments: list[str],
        output: Path,
        environment: dict[str, str] | None = None,
        prepare: Callable[[], None] = lambda: None,
        main: Callable[[list[str]], None] = train.main,
    ) -> None:
        self.output = output
        self.output.touch()  # so that what it has printed can be read at once
        self.main = main
        self.pid = os.fork()
        if not self.pid:
            self._become(arguments, {"TOKENIZERS_PARALLELISM": "false"} | (environment or {}), prepare)

    def _become(self, arguments: list[str], environment: dict[str, str], prepare: Callable[[], None]) -> None:
        code = 99
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            file = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
            faulthandler.dump_traceback_later(STUCK, file=sys.stderr)
            tqdm.set_lock(threading.RLock())  # tqdm's own is shared by all processes: one killed with it stops all
            os.environ.update(environment)
            for state in (AcceleratorState, GradientState, PartialState):
                state._shared_state.clear()
            prepare()
            cli.run(lambda: self.main(arguments))
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def wait(self, seconds: float = 90) -> int:
        """Its exit code (negative for a signal)."""
        end = time.monotonic() + seconds
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                self.kill()
                pytest.fail(f"still running after {seconds} seconds: {self.output.read_text()}")
            time.sleep(0.005)
        return code

    def poll(self) -> int | None:
        """Its exit code if it has ended."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text()


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def together(
    arguments: list[str], folder: Path, processes: int = 2, main: Callable[[list[str]], None] = train.main
) -> list[Child]:
    """The processes of one run, as torchrun starts them."""
    port = free_port()
    common = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [
        Child(
            arguments,
            folder / f"rank{rank}.txt",
            {key: str(value) for key, value in (common | {"RANK": rank, "LOCAL_RANK": rank}).items()},
            main=main,
        )
        for rank in range(processes)
    ]
