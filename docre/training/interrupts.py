"""Ctrl-C and SIGTERM: remembered until the run can save itself, or acted on at once where there is nothing to save."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop, and has. Its text is the line for the user; `code` the exit code of the command."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.code = 128 + number


class Interrupts:
    """While entered, SIGINT and SIGTERM set `asked` instead of ending the process.

    A second one ends it at once, but not under a launcher of several processes, which repeats signals on its own.
    """

    def __init__(self) -> None:
        self.asked = 0  # the signal's number
        self._at_once: str | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():  # only there can handlers be set
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        if "LOCAL_RANK" not in os.environ:
            signal.signal(number, self._previous[number])
        if self._at_once is not None:
            raise Interrupted(self._at_once, number)

    @contextmanager
    def at_once(self, message: str) -> Iterator[None]:
        """Within, a signal raises Interrupted with the message at once, and so does one that came before."""
        if self.asked:
            raise Interrupted(message, self.asked)
        self._at_once = message
        try:
            yield
        finally:
            self._at_once = None


def ignore_interrupts(worker: int) -> None:
    """For the processes that prepare batches: a signal to the whole group must not end them before their parent."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
