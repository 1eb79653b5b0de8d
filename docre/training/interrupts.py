"""Ctrl-C and SIGTERM: noted until the run can save its state, or obeyed at once where there is nothing to save."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from docre.core.cli import is_main_process
from docre.errors import LostProcess

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The run stopped because of a signal. Its text is the message for the user, `code` the command's exit code."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.code = 128 + number


class Interrupts:
    """Context manager in which SIGINT and SIGTERM are noted in `received` instead of ending the process.

    A second signal ends it at once, except under a launcher of several processes, which repeats signals by itself. They
    are still noted after a LostProcess that this process is to print: the launcher sends one as soon as it knows.
    """

    def __init__(self) -> None:
        self.received = 0  # number of the signal, 0 for none
        self._at_once: str | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():  # only there can handlers be set
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is LostProcess and is_main_process("LOCAL_RANK"):
            return
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        if "LOCAL_RANK" not in os.environ:
            signal.signal(number, self._previous[number])
        if self._at_once is not None:
            raise Interrupted(self._at_once, number)

    @contextmanager
    def at_once(self, message: str) -> Iterator[None]:
        """Context in which a signal raises Interrupted with this message at once, as does one received before.

        A library in C may lose an exception that is raised inside it, or replace it by one of its own (numpy: "Cannot
        compare structured arrays"). So after a signal, any exception and the end of the context become Interrupted.
        """
        self._stop(message)
        self._at_once = message
        try:
            yield
        except Exception:
            self._stop(message)
            raise
        finally:
            self._at_once = None
        self._stop(message)

    def _stop(self, message: str) -> None:
        if self.received:
            raise Interrupted(message, self.received)


def ignore_interrupts(worker: int) -> None:
    """Ignore both signals. For the worker processes that prepare batches: they must not end before their parent when
    the whole process group gets a signal."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
