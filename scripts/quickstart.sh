#!/usr/bin/env bash
# Installs docre, trains two models with a small encoder on the synthetic corpus, and evaluates them: one that finds
# entities, and ATLOP + ATGL, which finds relations between them; then both read a plain text.
# usage: bash scripts/quickstart.sh [key=value ...]       for example training.epochs=1
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
.venv/bin/python -m docre.train --config configs/entities_quickstart.yaml
.venv/bin/python -m docre.train --config configs/quickstart.yaml \
  tagger.name=joint tagger.run=runs/entities_quickstart "$@"
