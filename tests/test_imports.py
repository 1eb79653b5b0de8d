"""Imports point down only: base <- data, models, losses, evaluation, analysis (siblings) <- predictor, probe <-
training <- commands."""

import ast

import pytest

from tests.conftest import ROOT

BASE = {
    "errors",
    "files",
    "formats",
    "folders",
    "memory",
    "registry",
    "documents",
    "tensors",
    "config",
    "settings",
    "cli",
    "progress",
}
SIBLINGS = {"data", "models", "losses", "evaluation", "analysis", "synthetic"}
MIDDLE = {"predictor", "checkpoint", "probe"}
LAYERS = [BASE, SIBLINGS, MIDDLE, {"training"}]
MODULES = sorted((ROOT / "docre").rglob("*.py"))


def layer(part: str) -> int:
    """How high a part of docre stands; commands and docre itself are on top."""
    return next((i for i, parts in enumerate(LAYERS) if part in parts), len(LAYERS))


def imported(path) -> set[str]:
    """The parts of docre that a module imports at its top."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" if node.module == "docre" else node.module for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("docre.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path):
    part = path.relative_to(ROOT / "docre").with_suffix("").parts[0]
    if part == "__init__":
        assert imported(path) <= BASE
        return
    for other in imported(path) - {part}:
        assert layer(other) < layer(part) or (layer(part) == layer(other) and part not in SIBLINGS), (
            f"{path.name} imports docre.{other}"
        )


def test_files_stay_small():
    long = {path.name: n for path in MODULES if (n := len(path.read_text().splitlines())) > 300}
    assert not long
