"""The exception for wrong input, the warning about questionable input, and what other exceptions say: single lines."""

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 4000  # characters of a message


class DocreError(ValueError):
    """Wrong input. The message is one line that names the file, document and field, and says what was expected.

    Commands print it on standard error and exit with code 2 (see docre.core.cli); in Python it is an ordinary
    ValueError. What a stranger's file puts into it cannot control a terminal: characters that are not printable are
    escaped, and the middle of more than LONGEST characters is left out.
    """

    def __init__(self, message: str) -> None:
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(message.split()))
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}")


class LostProcess(DocreError):
    """Another process of the same training has ended, perhaps the first one, which prints other errors for all."""


class DocreWarning(UserWarning):
    """Questionable input: nothing stops, but the user should know. Commands print it on standard error as
    `docre: warning: ...` (see docre.core.cli)."""


@contextmanager
def prefixed(place: object) -> Iterator[None]:
    """A DocreError in the block begins with the place, a file perhaps, and a colon."""
    try:
        yield
    except DocreError as error:
        raise DocreError(f"{place}: {error}") from None


def first_line(error: BaseException) -> str:
    """The first line of what an error says, and the others too if it only introduces them ("one of:"), joined by
    spaces; the name of its class if it says nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(map(str.strip, lines)) if lines[0].rstrip().endswith(":") else lines[0]
