"""Where a checkpoint is, on disk or on the hub, and which weights it has, without reading them."""

import os
from pathlib import Path

from docre.core import hub
from docre.core.files import read_json
from docre.core.manifests import MANIFEST, check_inside
from docre.errors import DocreError

WEIGHTS = "model.safetensors"


def find_checkpoint(folder: str | Path) -> Path:
    """The folder itself if it is a checkpoint, or the best checkpoint in it if it is that of a run; for
    "hub:owner/name" or "hub:owner/name@revision" the folder of the checkpoint that is downloaded or in the cache.
    Raises DocreError if there is none."""
    folder = hub.snapshot(str(folder)) if str(folder).startswith(hub.PREFIX) else Path(folder)
    # os.path.isfile, unlike Path.is_file, accepts names that are too long for a file
    if os.path.isfile(folder / "config.yaml") and os.path.isfile(folder / WEIGHTS):
        return folder
    if not os.path.isdir(folder / "best"):
        raise DocreError(f"{folder}: not a checkpoint (no config.yaml and {WEIGHTS})")
    check_inside(folder / "best", folder)
    return folder / "best"


def find_own_checkpoint(folder: str | Path, purpose: str) -> Path:
    """`find_checkpoint` of a checkpoint that will be changed, or beside which something will be written. Raises
    DocreError, which says the `purpose`, for one of the hub: its folder is in the cache, where others find it too."""
    if str(folder).startswith(hub.PREFIX):
        raise DocreError(f"{folder}: {purpose}, but this checkpoint is in the cache of the hub; copy it to a folder")
    return find_checkpoint(folder)


def recorded_digest(folder: str | Path) -> str | None:
    """The SHA-256 of a checkpoint's weights as its manifest says, which is checked when they are loaded; None if there
    is no checkpoint. `folder`: a checkpoint or that of a run."""
    try:
        manifest = read_json(find_checkpoint(folder) / MANIFEST)
        return str(manifest[WEIGHTS]["sha256"])
    except (DocreError, KeyError, TypeError):
        return None
