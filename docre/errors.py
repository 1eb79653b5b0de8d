"""What users see of mistakes: one exception for wrong input, and one warning for what is odd, each said in one line."""


class DocreError(ValueError):
    """Wrong input. The message is one line: which file, document and field, and what was expected.

    Commands print it on standard error and exit with code 2 (see docre.core.cli); from Python it is an ordinary
    ValueError.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class DocreWarning(UserWarning):
    """Something about the input that stops nothing, but that a user should know. Commands print it on standard error as
    `docre: warning: ...` (see docre.core.cli)."""
