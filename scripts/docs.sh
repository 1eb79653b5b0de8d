#!/usr/bin/env bash
# Builds the documentation site in site/, strictly: a broken link or a name that is not found ends it with an error.
# Nothing is read from the network, neither now nor when the pages are read.
# usage: bash scripts/docs.sh [FOLDER]        FOLDER: where the site is written, by default site/
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
[ -n "${PYTHON:-}" ] || bash scripts/setup.sh dev
NO_MKDOCS_2_WARNING=1 "$python" -m mkdocs build --strict --quiet --site-dir "$(realpath -m "${1:-site}")"
echo "${1:-site}/index.html (for its search: python3 -m http.server --directory ${1:-site})"
