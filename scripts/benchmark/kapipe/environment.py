"""The virtual environment of kapipe: its own, so that its packages do not mix with docre's."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from scripts.benchmark.workers import ROOT

FOLDER = ROOT / ".venv-kapipe"
VERSION = "0.4.1"
# What kapipe's ATLOP imports. The wheel asks for far more (a vector database, a CUDA compiler, ...), hence --no-deps.
NEEDED = ("torch", "transformers", "numpy", "opt_einsum", "pyhocon", "jsonlines", "requests", "tqdm")


def python(folder: Path = FOLDER) -> Path:
    """The interpreter of the virtual environment in a folder, which need not exist."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(folder: Path = FOLDER) -> None:
    """Make the virtual environment, with kapipe and what its ATLOP needs, at the versions of scripts/constraints.txt.

    Raises subprocess.CalledProcessError if pip fails.
    """
    venv.create(folder, with_pip=True)
    pip = [str(python(folder)), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    constraints = ROOT / "scripts" / "constraints.txt"
    torch = re.search(r"^torch==\S+", constraints.read_text(encoding="utf-8"), re.MULTILINE)
    assert torch, f"no torch in {constraints}"
    subprocess.run([*pip, torch[0]], check=True)
    subprocess.run([*pip, "--constraint", str(constraints), *NEEDED], check=True)
    subprocess.run([*pip, "--no-deps", f"kapipe=={VERSION}"], check=True)
    print(f"kapipe {VERSION} is installed in {folder}", file=sys.stderr)
