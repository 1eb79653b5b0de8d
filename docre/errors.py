"""The exception for wrong input, the warning about questionable input, and what other exceptions say: single lines."""


class DocreError(ValueError):
    """Wrong input. The message is one line that names the file, document and field, and says what was expected.

    Commands print it on standard error and exit with code 2 (see docre.core.cli); in Python it is an ordinary
    ValueError.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class DocreWarning(UserWarning):
    """Questionable input: nothing stops, but the user should know. Commands print it on standard error as
    `docre: warning: ...` (see docre.core.cli)."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says; the name of its class if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
