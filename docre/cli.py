"""What every command shares: mistakes in the input end it with one line and exit code 2."""

import sys
from collections.abc import Callable

from docre.errors import DocreError


def run(command: Callable[[list[str]], None]) -> None:
    """Run `command` on the command line's arguments.

    A DocreError becomes one line on standard error and exit code 2; Ctrl-C becomes exit code 130.
    """
    try:
        command(sys.argv[1:])
    except DocreError as error:
        print(f"docre: error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
