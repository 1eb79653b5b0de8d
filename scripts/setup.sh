#!/usr/bin/env bash
# Creates .venv with docre and its dependencies: see scripts/setup.py, which does the same on any system.
# usage: bash scripts/setup.sh [EXTRA]        EXTRA: an extra of pyproject.toml, for example dev
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 scripts/setup.py "$@"
