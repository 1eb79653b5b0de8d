"""Progress: a bar on a terminal, and at most one line per minute in a log file."""

import io
import sys

import pytest

from docre.core import progress
from tests.conftest import ROOT


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time that docre.core.progress sees, in seconds; a list of one number, which the test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_file_gets_a_line_a_minute(clock, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with progress.progress_bar(600, "epoch 1/3", "step") as bar:
        for second in range(1, 601):
            clock[0] = second
            bar.set_postfix(loss=f"{1 / second:.2f}")
            bar.update()
    lines = file.getvalue().splitlines()
    assert lines[0] == "epoch 1/3: 10%, 60/600 step [01:00<09:00], loss=0.02"
    assert len(lines) == 10 and lines[-1] == "epoch 1/3: 100%, 600/600 step [10:00<00:00], loss=0.00"
    assert "\r" not in file.getvalue()


def test_short_work_says_nothing_in_a_log_file(clock, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    for _ in range(30):
        with progress.progress_bar(59, "predict", "pair") as bar:
            bar.update(59)
            clock[0] += 59
    assert not file.getvalue()


def test_without_a_total_and_with_large_numbers(clock, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    for total in (None, 4_000_000):
        with progress.progress_bar(total, "x", "B", unit_scale=True) as bar:
            clock[0] += 60
            bar.update(1_000_000)
    first, second = file.getvalue().splitlines()
    assert first.startswith("x: 1.00MB [01:00") and second == "x: 25%, 1.00M/4.00M B [01:00<03:00]"


def test_not_shown(clock, monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with progress.progress_bar(2, "x", "step", show=False) as bar:
        clock[0] += 100
        bar.update()
    assert not file.getvalue()


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.progress_bar(3, "x", "step") as bar:
        bar.update()
    assert "\rx:   0%|" in sys.stderr.getvalue()


def test_all_of_docre_uses_it():
    users = {p.name for p in (ROOT / "docre").rglob("*.py") if "tqdm(" in p.read_text()}
    assert users == {"progress.py"}
