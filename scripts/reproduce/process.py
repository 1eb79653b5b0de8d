"""A command in a process of its own that can be interrupted as if it ran here."""

import signal
import subprocess
from collections.abc import Sequence

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


def run(command: Sequence[str]) -> int:
    """The exit code of a command (negative for the signal that ended it). Signals to this process are passed on to it,
    so that a training saves its state. It has a session of its own: a terminal tells every process of a session, and
    a second signal would end the training at once."""
    process = subprocess.Popen(command, start_new_session=True)
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    previous = {number: signal.signal(number, lambda received, _: process.send_signal(received)) for number in numbers}
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
