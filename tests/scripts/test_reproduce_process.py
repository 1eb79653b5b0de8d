"""scripts/reproduce/process.py: signals reach the training."""

import os
import signal
import subprocess
import sys

import pytest

from scripts.reproduce import process
from tests.conftest import ROOT

CHILD = """
import signal, sys, time
def save(number, frame):
    print("saved after", number, flush=True)
    sys.exit(5)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, save)
print("ready", flush=True)
time.sleep(60)
"""
PARENT = """
import sys
from scripts.reproduce import process
print("code", process.run([sys.executable, "-c", sys.argv[1]]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to_group", [False, True], ids=["to the process", "to its group"])
def test_a_signal_reaches_the_command_once_and_it_can_save(number, to_group):
    parent = subprocess.Popen(
        [sys.executable, "-u", "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
    (os.killpg if to_group else os.kill)(parent.pid, number)
    rest, _ = parent.communicate(timeout=30)
    assert rest == f"saved after {int(number)}\ncode 5\n"


def test_the_handlers_are_those_from_before():
    before = signal.getsignal(signal.SIGTERM)
    assert process.run([sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert signal.getsignal(signal.SIGTERM) is before
