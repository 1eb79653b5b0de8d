"""The log of a run: JSON lines on disk, a line for people on the console, numbers for experiment trackers."""

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from docre.errors import DocreError
from docre.training.folder import removed

T = TypeVar("T")


class RunLog:
    """Writes what happens in a run.

    path:  the JSON-lines file; None for a process that does not log.
    track: what experiment trackers take: values by name, and the optimizer step that they belong to.
    keep:  bytes of the file that stay: what a run that goes on had written when it was saved.
    """

    def __init__(
        self, path: Path | None, track: Callable[[dict[str, float], int | None], None] | None = None, keep: int = 0
    ) -> None:
        self._start = time.perf_counter()
        self._path = path
        self._track = track
        self._file = None
        if path is not None:
            self._file = self._try(lambda: path.open("a", encoding="utf-8", buffering=1))
            self._try(lambda: os.truncate(path, min(keep, path.stat().st_size)))

    def write(self, event: str, text: str = "", **values: Any) -> None:
        """One line: what happened and its values; `text`, if given, goes to the console too."""
        if self._file is None:
            return
        seconds = round(time.perf_counter() - self._start, 3)
        known = {name: None if isinstance(x, float) and not math.isfinite(x) else x for name, x in values.items()}
        line = json.dumps({"event": event, "seconds": seconds, **known}, ensure_ascii=False) + "\n"
        file = self._file
        self.check()
        self._try(lambda: file.write(line))
        if self._track is not None:
            numbers = {f"{event}/{name}": x for name, x in values.items() if isinstance(x, int | float)}
            self._track(numbers, values.get("step"))
        if text:
            tqdm.write(text)

    def sync(self) -> int:
        """Flush the log to the disk (fsync); return its size in bytes."""
        file = self._file
        if file is None:
            return 0
        self.check()
        self._try(lambda: os.fsync(file.fileno()))
        return os.fstat(file.fileno()).st_size

    def check(self) -> None:
        """Raises DocreError where the file has gone, mostly with its whole folder: what is written to it is lost."""
        if self._file is None or self._path is None:
            return
        try:
            same = os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except OSError:
            same = False
        if not same:
            raise removed(self._path)

    def _try(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except OSError as error:
            raise DocreError(f"{self._path}: cannot write: {error.strerror or error}") from None

    def close(self) -> None:
        """End the log."""
        if self._file is not None:
            with suppress(OSError):  # a write that failed has raised a DocreError already
                self._file.close()
