"""Signals while something runs that is stopped at once."""

import os
import signal
from contextlib import suppress

import pytest

from docre.training.interrupts import Interrupted, Interrupts

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
