"""The saved states in the folder of a run, as files: which there are, and what their values.json says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docre.core.files import read_json
from docre.core.manifests import check_folder
from docre.errors import DocreError

FORMAT = 1  # version of the content of values.json and of the names of the tensors
FOLDER = re.compile(r"state-(\d+)")


def saved_states(run: Path) -> list[Path]:
    """The folders of a run's saved states, that of the most steps first."""
    matches = {path: FOLDER.fullmatch(path.name) for path in run.iterdir()}
    return sorted((p for p, m in matches.items() if m), key=lambda p: int(p.name.removeprefix("state-")), reverse=True)


def newest_state(run: Path, warn: Callable[[str], None]) -> Path | None:
    """The newest state whose files are intact, None if there is none. Calls `warn` for each damaged state."""
    for folder in saved_states(run):
        try:
            check_folder(folder)
        except DocreError as error:
            warn(f"skipped a damaged saved state: {error}")
            continue
        return folder
    return None


def load_values(folder: Path) -> dict[str, Any]:
    """The content of values.json of a saved state. Raises DocreError if it has another format."""
    values = read_json(folder / "values.json")
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DocreError(f"{folder}: saved by another version of docre; --restart starts over")
    return values
