"""Imports point down only, from floor to floor; rooms on one floor never import each other. Help needs no torch."""

import ast
import subprocess
import sys

import pytest

from docre.__main__ import COMMANDS
from tests.conftest import ROOT

# From the top. What stands in docre/ itself and is no room is a room of its own.
FLOORS = [
    {"train", "evaluate", "predict"},
    {"__main__"},
    {"commands"},
    {"audit"},
    {"training", "serve", "spacy_component", "corpus"},
    {"inference"},
    {"text", "answers"},
    {"entities"},
    {"data", "models", "losses", "terms", "graph", "evaluation", "analysis", "synthetic", "download"},
    {"config", "tensors", "formats"},
    {"core", "documents", "extraction"},
    {"errors", "segmentation", "version"},
]
MODULES = sorted((ROOT / "docre").rglob("*.py"))


def floor(room: str) -> int:
    """Where a room stands, from the top."""
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def imported(path) -> set[str]:
    """The rooms of docre that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" if node.module == "docre" else node.module for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("docre.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path):
    room = path.relative_to(ROOT / "docre").with_suffix("").parts[0]
    if room == "__init__":  # what `import docre` offers
        return
    for other in imported(path) - {room}:
        assert floor(other) > floor(room), f"{path.name} imports docre.{other}"


def test_no_command_imports_another():
    for path in (ROOT / "docre" / "commands").glob("*.py"):
        assert "docre.commands" not in path.read_text(), path.name


def test_files_stay_small():
    long = {path.name: n for path in MODULES if (n := len(path.read_text().splitlines())) > 300}
    assert not long


def without_torch(code: str) -> None:
    """Run Python code where importing torch raises."""
    blocked = f"import sys; sys.modules['torch'] = None; {code}"
    done = subprocess.run([sys.executable, "-c", blocked], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_command_is_listed():
    files = {path.stem for path in (ROOT / "docre" / "commands").glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in COMMANDS} == files


def test_help_of_every_command_needs_no_torch():
    """Which takes seconds and 300 MB to import."""
    without_torch(
        "from docre.__main__ import COMMANDS, main\n"
        "for arguments in ([], *([name] for name in COMMANDS)):\n"
        "    try: main([*arguments, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0, arguments\n"
    )


def test_documents_are_read_without_torch():
    without_torch(
        "import docre; assert docre.read('data/synthetic/dev.json')\n"
        "from docre.data.readers import READERS; assert list(READERS)"
    )


def test_a_recipe_is_planned_without_torch():
    without_torch(
        "from docre.commands.recipe import main\n"
        "main(['configs/recipes/quickstart_stages.yaml', '--plan', 'output=runs/none'])"
    )
