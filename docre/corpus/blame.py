"""Whose fault an error is: that of one document or file, which is left out, or the machine's, which ends the run."""

import traceback
from pathlib import Path

import torch

from docre.core.storage import StorageError
from docre.errors import DocreError, first_line

GOES_ON = "the same command goes on from here"


def blamed(error: Exception, where: str) -> DocreError:
    """The error as one line about the document at `where` (returned, not raised). A DocreError tells by itself what is
    wrong; any other, as a mistake in a plugin, is told with the line of code that it comes from.

    Raises the error itself if memory ran out, and DocreError if the storage or the GPU failed: no later document would
    do better.
    """
    if isinstance(error, StorageError):
        raise DocreError(f"{error}: {GOES_ON}") from None
    if isinstance(error, DocreError):
        return error
    if isinstance(error, MemoryError):
        raise error
    if torch.cuda.is_initialized():
        try:
            torch.cuda.synchronize()
        except RuntimeError as failure:
            raise DocreError(f"the GPU failed: {first_line(failure)}: {GOES_ON}") from None
    code = traceback.extract_tb(error.__traceback__)[-1]
    source = f"{Path(code.filename).name}, line {code.lineno}"
    return DocreError(f"{where}: {type(error).__name__}: {first_line(error)} ({source})")
