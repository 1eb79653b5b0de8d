#!/usr/bin/env bash
# Installs docre and runs its quickstart: two small models are trained on the synthetic corpus and evaluated, one that
# finds entities, and ATLOP + ATGL, which finds relations between them.
# usage: bash scripts/quickstart.sh [key=value ...]       for example training.epochs=1
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
.venv/bin/python -m docre quickstart "$@"
