#!/usr/bin/env bash
# Installs docre with the development tools, then lints, type-checks and tests.
# usage: bash scripts/test.sh [PYTEST-ARGUMENT ...]
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# a process for each core, with one thread each; the tests of a file stay together, as they share what they made
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} .venv/bin/python -m pytest -n auto --maxprocesses 8 --dist loadfile "$@"
