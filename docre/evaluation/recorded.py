"""Scores in files: what `docre evaluate --json` wrote, or a run."""

from pathlib import Path
from typing import Any

from docre.core.files import read_json
from docre.errors import DocreError


def read_scores(path: str | Path) -> dict[str, Any]:
    """The scores in a file that `docre evaluate --json` wrote. Raises DocreError for any other content."""
    return check_scores(read_json(path), str(path))


def check_scores(value: Any, where: str) -> dict[str, Any]:
    """The value, if it holds scores as `docre evaluate --json` writes them: fractions, perhaps with intervals, and the
    name of the gold file. Raises DocreError, beginning with `where`, if it does not."""
    expected = f"{where}: expected scores, as docre evaluate --json writes them"
    if not isinstance(value, dict):
        raise DocreError(expected)
    if not is_fraction(value.get("f1")):
        raise DocreError(f"{expected}: a number from 0 to 1 in 'f1'")
    for key in ("p", "r", "ign_f1"):
        if value.get(key) is not None and not is_fraction(value[key]):
            raise DocreError(f"{expected}: a number from 0 to 1 in {key!r}")
    bootstrap = value.get("bootstrap", {"intervals": {}})
    intervals = bootstrap.get("intervals") if isinstance(bootstrap, dict) else None
    if not isinstance(intervals, dict) or not all(map(is_interval, intervals.values())):
        raise DocreError(f"{expected}: 'low' and 'high' for each of the 'intervals' in 'bootstrap'")
    if not isinstance(value.get("gold_file", ""), str):
        raise DocreError(f"{expected}: a string in 'gold_file'")
    return value


def is_fraction(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    return type(value) in (int, float) and 0 <= value <= 1


def is_interval(value: Any) -> bool:
    """Whether a value is an interval of fractions."""
    return isinstance(value, dict) and is_fraction(value.get("low")) and is_fraction(value.get("high"))
