#!/usr/bin/env bash
# Installs docre, trains ATLOP + ATGL with a small encoder on the synthetic corpus, and evaluates the model.
# usage: bash scripts/quickstart.sh [key=value ...]       for example training.epochs=1
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
.venv/bin/python -m docre.train --config configs/quickstart.yaml "$@"
