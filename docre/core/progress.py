"""Progress of long tasks: tqdm's bar on a terminal, and otherwise an occasional plain line, which keeps log files
readable."""

import sys
import time
from typing import Any

from tqdm import tqdm

INTERVAL = 60.0  # minimum seconds between two lines
LINE_FORMAT = "{desc}: {percentage:.0f}%, {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}]{postfix}"


class ProgressLines:
    """Stands in for tqdm's bar where there is no terminal: `update` writes a line to standard error if INTERVAL seconds
    have passed since the start or the last line."""

    def __init__(self, total: float | None, desc: str, unit: str, initial: float = 0, unit_scale: bool = False) -> None:
        self.desc, self.total, self.unit, self.unit_scale = desc, total, unit, unit_scale
        self.n = self.initial = initial
        self.postfix = ""
        self.started = self.written = time.monotonic()

    def __enter__(self) -> "ProgressLines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: float = 1) -> None:
        """Count `n` more units as done."""
        self.n += n
        now = time.monotonic()
        if now - self.written >= INTERVAL:
            self.written = now
            print(self.line(now - self.started), file=sys.stderr, flush=True)

    def set_postfix(self, **values: str) -> None:
        """Set the text at the end of the following lines."""
        self.postfix = ", ".join(f"{name}={value}" for name, value in values.items())

    def line(self, elapsed: float) -> str:
        """The line to write after `elapsed` seconds."""
        return tqdm.format_meter(
            self.n,
            self.total,  # type: ignore[arg-type]  # None is allowed
            elapsed,
            prefix=self.desc,
            unit=self.unit,
            unit_scale=self.unit_scale,
            initial=self.initial,
            postfix=self.postfix,
            bar_format=LINE_FORMAT if self.total else None,
        )


def progress_bar(
    total: float | None, desc: str, unit: str, initial: float = 0, unit_scale: bool = False, show: bool = True
) -> Any:
    """A context manager with `update(n)` and `set_postfix(name=text)`: tqdm's bar on a terminal, else ProgressLines.

    total:      number of units to do; None if it is not known.
    desc, unit: the name of the task and of its unit.
    initial:    number of units that are done already.
    unit_scale: write 1.2M for 1,234,567.
    show:       whether to show anything at all.
    """
    if show and not sys.stderr.isatty():
        return ProgressLines(total, desc, unit, initial, unit_scale)
    return tqdm(
        total=total, desc=desc, unit=unit, initial=initial, unit_scale=unit_scale, disable=not show, leave=False
    )
