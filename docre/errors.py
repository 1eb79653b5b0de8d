"""The exception for wrong input and the warning about questionable input; each message is a single line."""


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
