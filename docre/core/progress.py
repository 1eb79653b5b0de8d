"""How far a long piece of work is: a bar on a terminal, elsewhere a plain line now and then, so that log files stay
readable."""

import sys
import time
from typing import Any

from tqdm import tqdm

PAUSE = 60.0  # seconds between two lines at least
LINE = "{desc}: {percentage:.0f}%, {n_fmt}/{total_fmt} {unit} [{elapsed}<{remaining}]{postfix}"


class Lines:
    """What there is of tqdm's bar where there is no terminal: it writes a line to standard error every PAUSE seconds at
    most, none before the first PAUSE is over, and ends without a word."""

    def __init__(self, total: float | None, desc: str, unit: str, initial: float = 0, unit_scale: bool = False) -> None:
        self.desc, self.total, self.unit, self.unit_scale = desc, total, unit, unit_scale
        self.n = self.initial = initial
        self.postfix = ""
        self.started = self.written = time.monotonic()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: float = 1) -> None:
        """So much more is done."""
        self.n += n
        now = time.monotonic()
        if now - self.written >= PAUSE:
            self.written = now
            print(self.line(now - self.started), file=sys.stderr, flush=True)

    def set_postfix(self, **values: str) -> None:
        """What is said at the end of the next line."""
        self.postfix = ", ".join(f"{name}={value}" for name, value in values.items())

    def line(self, elapsed: float) -> str:
        """How far it is after so many seconds."""
        return tqdm.format_meter(
            self.n,
            self.total,  # type: ignore[arg-type]  # None is allowed
            elapsed,
            prefix=self.desc,
            unit=self.unit,
            unit_scale=self.unit_scale,
            initial=self.initial,
            postfix=self.postfix,
            bar_format=LINE if self.total else None,
        )


def progress_bar(
    total: float | None, desc: str, unit: str, initial: float = 0, unit_scale: bool = False, show: bool = True
) -> Any:
    """A context manager with `update(n)` and `set_postfix(name=text)`: tqdm's bar on a terminal, else Lines.

    total:      how much there is to do; None if that is not known.
    desc, unit: what is done, and what it is counted in.
    initial:    how much is done already.
    unit_scale: write 1.2M for 1,234,567.
    show:       False for neither.
    """
    if show and not sys.stderr.isatty():
        return Lines(total, desc, unit, initial, unit_scale)
    return tqdm(
        total=total, desc=desc, unit=unit, initial=initial, unit_scale=unit_scale, disable=not show, leave=False
    )
