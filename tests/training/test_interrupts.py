"""Signals while something runs that is stopped at once."""

import os
import signal
from contextlib import suppress

import pytest

from docre.errors import DocreError, LostProcess
from docre.training.interrupts import SIGNALS, Interrupted, Interrupts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows ends a process instead of calling a handler")


def send() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def replaced() -> None:
    try:
        send()
    except Interrupted:
        raise TypeError("Cannot compare structured arrays") from None


def lost() -> None:
    with suppress(Interrupted):
        send()


@pytest.mark.parametrize("work", [send, replaced, lost])
def test_a_signal_is_not_lost_in_what_runs(work):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="here") as caught, Interrupts() as signals, signals.at_once("stopped here"):
        work()
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_error_without_a_signal_stays_what_it_is():
    with pytest.raises(TypeError), Interrupts() as signals, signals.at_once("stopped here"):
        raise TypeError("wrong")


@pytest.mark.parametrize(
    ("error", "rank", "noted"), [(LostProcess, 0, True), (LostProcess, 1, False), (DocreError, 0, False)]
)
def test_the_launchers_signal_does_not_stop_the_line_about_a_lost_process(error, rank, noted, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with pytest.raises(error), Interrupts() as signals:
            raise error("lost")
        assert (signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]) is noted
        if noted:
            send()
            assert signals.received == signal.SIGTERM
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
