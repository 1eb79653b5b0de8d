"""What only Linux or Unix has is guarded: the same code runs on Windows and macOS."""

import ast
import signal
import sys

import pytest
import torch

from docre.commands import doctor
from docre.core import files, memory
from docre.training import environment
from tests.conftest import ROOT

UNIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog", "posix", "crypt"}
UNIX_NAMES = {  # attributes of os and signal
    *("fork", "getuid", "geteuid", "sched_getaffinity", "sched_setaffinity", "mkfifo", "posix_fadvise", "killpg"),
    *("setsid", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGALRM", "alarm", "setitimer", "pthread_sigmask"),
}
MODULES = sorted((ROOT / "docre").rglob("*.py"))


def unguarded(tree: ast.AST) -> list[str]:
    """What a module of Python uses that only Unix has, outside of `try ... except ImportError` (or AttributeError)."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Try):
            caught = {name.id for handler in node.handlers for name in ast.walk(handler) if isinstance(name, ast.Name)}
            if caught & {"ImportError", "AttributeError"}:
                continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in UNIX_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module in UNIX_MODULES:
            found.append(node.module)
        elif (
            isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("os", "signal") and node.attr in UNIX_NAMES
        ):
            found.append(ast.unparse(node))
        found += unguarded(node)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_only_unix_has(path):
    assert not unguarded(ast.parse(path.read_text(encoding="utf-8")))


def test_the_test_sees_it():
    for code in ("import fcntl", "from resource import getrusage", "def f():\n    os.fork()", "signal.SIGKILL"):
        assert unguarded(ast.parse(code)), code
    assert not unguarded(ast.parse("try:\n    import resource\nexcept ImportError:\n    resource = None"))


@pytest.fixture(params=["win32", "darwin"])
def system(request, monkeypatch) -> str:
    """Another system: no /proc, and on Windows no `resource` and no glibc."""
    monkeypatch.setattr(memory.Path, "exists", lambda self: False)
    if request.param == "win32":
        monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("glibc is Linux's"))
    monkeypatch.setattr(sys, "platform", request.param)
    return request.param


def test_memory(system):
    memory.keep_freed_memory()
    measured = memory.peak_memory(torch.device("cpu"))
    assert (measured == 0) == (system == "win32")


def test_the_device_and_doctor(system, capsys):
    assert environment.device_name(torch.device("cpu")).startswith("cpu: ")
    assert any(name == "on this system" for name, _ in doctor.machine())


def test_files_are_written_where_folders_cannot_be_synced(tmp_path, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr(files.os, "name", "nt")
    monkeypatch.setattr(files.os, "open", lambda *_: pytest.fail("Windows cannot open a folder"))
    files.sync(tmp_path)


def test_the_signals_exist_everywhere():
    from docre.training.interrupts import SIGNALS

    assert set(SIGNALS) == {signal.SIGINT, signal.SIGTERM}, "which Windows has too"
