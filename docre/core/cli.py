"""Runs a command: turns errors in its input into one line on standard error and exit code 2."""

import errno
import io
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from docre.errors import DocreError, DocreWarning, LostProcess

GRACE_PERIOD = 10.0  # seconds that other processes leave the main process to report an error
formatwarning = warnings.formatwarning


def run(command: Callable[[], None]) -> None:
    """Call `command`, and exit the process if it fails.

    A DocreError is printed as one line on standard error, with exit code 2; so is a DocreWarning, without exiting.
    Ctrl-C gives exit code 130. A command that handles a signal itself may raise a KeyboardInterrupt with a message and
    an attribute `code`: these are printed and used instead. A closed output pipe gives exit code 1. Characters that the
    output cannot encode are escaped.
    """
    warnings.formatwarning = format_warning
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command()
        flush()
    except LostProcess as error:  # perhaps the first process, so that nobody else would print it
        fail(str(error), "LOCAL_RANK")
    except DocreError as error:
        fail(str(error))
    except BrokenPipeError:  # whoever reads our output has stopped, as `| head` does
        discard_output()
        sys.exit(1)
    except OSError as error:
        if error.errno == errno.ENOSPC:  # a print whose buffer was full, or a file
            discard_output()
            fail(f"{error.filename or 'output'}: cannot write: {error.strerror}")
        if error.filename is None:
            raise
        fail(f"{error.filename}: {error.strerror or error}")
    except KeyboardInterrupt as interrupt:
        if interrupt.args and is_main_process():
            print(f"docre: {interrupt}", file=sys.stderr)
        sys.exit(getattr(interrupt, "code", 130))


def flush() -> None:
    """Write what has been printed. Raises DocreError where the disk, for one, is full."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        raise DocreError(f"standard output: cannot write: {error.strerror or error}") from None


def discard_output() -> None:
    """Let what is left in the output's buffer go nowhere, so that Python does not fail again at its end."""
    with suppress(io.UnsupportedOperation):  # an output without a file, as in tests
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())


def fail(message: str, rank: str = "RANK") -> NoReturn:
    """Exit with an error of one line, which the process whose `rank` is 0 prints at once: that of the whole run, or
    with "LOCAL_RANK" that of each machine."""
    defer_to_main_process(rank)
    print(f"docre: error: {message}", file=sys.stderr)
    sys.exit(2)


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """The text of a warning: one line for a DocreWarning, Python's own format for any other."""
    if issubclass(category, DocreWarning):
        return f"docre: warning: {message}\n"
    return formatwarning(message, category, filename, lineno, line)


def is_main_process(rank: str = "RANK") -> bool:
    """Whether this is the first, or the only, process of a run, or with "LOCAL_RANK" of a machine."""
    return os.environ.get(rank, "0") == "0"


def defer_to_main_process(rank: str = "RANK") -> None:
    """In all but the main process, wait before an error is printed, so that it is printed once.

    An error in one process usually occurs in all of them. The launcher ends the others once the main process has
    exited; if it does not within GRACE_PERIOD, the error is this process's own, and is printed here.
    """
    if not is_main_process(rank):
        time.sleep(GRACE_PERIOD)
