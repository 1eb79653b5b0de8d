#!/usr/bin/env bash
# Installs docre with the development tools, then lints, type-checks and tests.
# usage: bash scripts/test.sh [PYTEST-ARGUMENT ...]
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
