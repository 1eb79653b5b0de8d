"""The configs and recipes that come with docre, which a command finds by name from any folder."""

import difflib
import os
from pathlib import Path

import docre
from docre.errors import DocreError

PACKAGE = Path(docre.__file__).parent
FOLDERS = (PACKAGE / "configs", PACKAGE.parent / "configs")  # as installed; in the repository


def folder() -> Path:
    """The folder of the configs that come with docre."""
    return next((path for path in FOLDERS if (path / "quickstart.yaml").is_file()), FOLDERS[0])


def names() -> list[str]:
    """The names of the configs and recipes that come with docre, as "quickstart" and "recipes/dreeam"."""
    return sorted(path.relative_to(folder()).with_suffix("").as_posix() for path in folder().rglob("*.yaml"))


def find_config(name: str | Path) -> Path:
    """The file of a config: `name` itself if it is a file, or else the shipped config that it names.

    "quickstart", "quickstart.yaml" and "configs/quickstart.yaml" all name the shipped config `quickstart`. Raises
    DocreError, with the most similar names, if there is neither.
    """
    path = Path(name)
    if os.path.isfile(path):
        return path
    wanted = path.as_posix().removeprefix("configs/")
    wanted = wanted.removesuffix(".yaml")
    known = names()
    if wanted in known:
        return folder() / f"{wanted}.yaml"
    near = [str(file) for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    close = difflib.get_close_matches(str(name), near, 1) or difflib.get_close_matches(wanted, known, 3, 0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"those that come with docre are {', '.join(known)}"
    raise DocreError(f"{name}: there is no such config ({hint})")
