"""What every command shares: mistakes in the input end it with one line and exit code 2."""

import argparse
import os
import sys
import time
from collections.abc import Callable

from docre.errors import DocreError

PATIENCE = 10.0  # seconds
# keys that leave the trained model what it is
CHANGES = ("evaluation.", "training.precision", "data.max_tokens", "encoder.implementation")


def add_changes(parser: argparse.ArgumentParser) -> None:
    """What every command takes that loads a checkpoint: `changes`, for `docre.checkpoint.load`."""
    parser.add_argument(
        "changes",
        nargs="*",
        metavar="key=value",
        help=f"predict with another value of a key, as evaluation.batch_size=16 (beginning with {', '.join(CHANGES)})",
    )


def run(command: Callable[[list[str]], None]) -> None:
    """Run `command` on the command line's arguments.

    A DocreError becomes one line on standard error and exit code 2; Ctrl-C exit code 130. A command that stopped for a
    signal in its own way says so in the KeyboardInterrupt, with the exit code.
    """
    try:
        command(sys.argv[1:])
    except DocreError as error:
        let_the_first_speak()
        print(f"docre: error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        if interrupt.args and is_first():
            print(f"docre: {interrupt}", file=sys.stderr)
        sys.exit(getattr(interrupt, "code", 130))


def is_first() -> bool:
    """Whether this is the first, or the only, of the processes of a run."""
    return os.environ.get("RANK", "0") == "0"


def let_the_first_speak() -> None:
    """What is wrong for one process of a run is mostly wrong for all, and one line is enough: the others wait for the
    launcher to end them, as it does when the first has ended. If it does not, something is wrong here alone."""
    if not is_first():
        time.sleep(PATIENCE)
