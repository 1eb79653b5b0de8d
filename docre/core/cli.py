"""What every command shares: mistakes in the input end it with one line and exit code 2."""

import os
import sys
import time
import warnings
from collections.abc import Callable

from docre.errors import DocreError, DocreWarning

GRACE_PERIOD = 10.0  # seconds
formatwarning = warnings.formatwarning


def run(command: Callable[[], None]) -> None:
    """Run `command`, and end the process as it ends.

    A DocreError becomes one line on standard error and exit code 2; Ctrl-C exit code 130. A command that stopped for a
    signal in its own way says so in the KeyboardInterrupt, with the exit code. A DocreWarning becomes one line too.
    """
    warnings.formatwarning = format_warning
    try:
        command()
    except DocreError as error:
        defer_to_main_process()
        print(f"docre: error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        if interrupt.args and is_main_process():
            print(f"docre: {interrupt}", file=sys.stderr)
        sys.exit(getattr(interrupt, "code", 130))


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning as commands print it: a DocreWarning as one line, any other as Python does."""
    if issubclass(category, DocreWarning):
        return f"docre: warning: {message}\n"
    return formatwarning(message, category, filename, lineno, line)


def is_main_process() -> bool:
    """Whether this is the first, or the only, of the processes of a run."""
    return os.environ.get("RANK", "0") == "0"


def defer_to_main_process() -> None:
    """What is wrong for one process of a run is mostly wrong for all, and one line is enough: the others wait for the
    launcher to end them, as it does when the first has ended. If it does not, something is wrong here alone."""
    if not is_main_process():
        time.sleep(GRACE_PERIOD)
