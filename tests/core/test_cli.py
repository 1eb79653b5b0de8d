"""What a command's end looks like from outside, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINTS = "from docre.core import cli; cli.run(lambda: print({text!r}))"


def run(text: str, **options) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    environment |= options.pop("environment", {})
    command = [sys.executable, "-c", PRINTS.format(text=text)]
    return subprocess.run(command, text=True, env=environment, stderr=subprocess.PIPE, **options)


def test_characters_that_the_output_does_not_have_are_escaped():
    ended = run("Δ = 1", environment={"PYTHONIOENCODING": "cp1252"}, stdout=subprocess.PIPE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\\u0394 = 1\n", "")


def test_a_closed_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    ended = run("text", stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk():
    with open("/dev/full", "w") as full:
        ended = run("text", stdout=full)
    assert (ended.returncode, ended.stderr) == (
        2,
        "docre: error: standard output: cannot write: No space left on device\n",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_before_the_end():
    """More is printed than the buffer holds."""
    with open("/dev/full", "w") as full:
        ended = run("text" * 10_000, stdout=full)
    assert (ended.returncode, ended.stderr) == (2, "docre: error: output: cannot write: No space left on device\n")


def test_a_file_that_cannot_be_opened_is_named():
    code = "from docre.core import cli; cli.run(lambda: open(300 * 'n'))"
    ended = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert ended.returncode == 2 and ended.stderr == f"docre: error: {300 * 'n'}: File name too long\n"
