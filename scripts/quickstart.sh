#!/usr/bin/env bash
# Installs docre, trains ATLOP + ATGL with a small encoder on the synthetic corpus, evaluates it, says where things are.
# usage: bash scripts/quickstart.sh [key=value ...]       as training.epochs=1
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
.venv/bin/python -m docre.train --config configs/quickstart.yaml "$@"
