"""The data that a finished run used, for scores of what it predicted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docre.config.schema import Config
from docre.core.files import read_json
from docre.data.readers import read
from docre.errors import DocreError
from docre.training.folder import digests


def recorded_digests(run: Path) -> dict[str, Any]:
    """The digests of its data files that a finished run recorded, by `data.<split> file`; none where there is no such
    record."""
    path = run / "metrics.json"
    metrics = read_json(path) if path.is_file() else None
    recorded = metrics.get("data") if isinstance(metrics, dict) else None
    return recorded if isinstance(recorded, dict) else {}


def used_data(run: Path, config: Config) -> dict[str, str]:
    """The paths of the data files that a finished run used, by split; only those that have not changed since.

    The config of somebody else's checkpoint could name any file on this machine. So a file is only used if its digest
    is the one that metrics.json recorded during the run.
    """
    recorded = recorded_digests(run)
    paths = {"train": config.data.train, "dev": config.data.dev, "test": config.data.test}
    now = digests(config)
    keys = {split: f"data.{split} file" for split in paths}
    return {split: str(paths[split]) for split, key in keys.items() if key in now and now[key] == recorded.get(key)}


def labeled_data(paths: Mapping[str, str], reader: str) -> str:
    """The test set among the data files of a run, or its dev set if the test set has no labels. Raises DocreError if
    neither has labels."""
    for split in ("test", "dev"):
        path = paths.get(split)
        if path and all(document.triples is not None for document in read(path, reader)):
            return path
    raise DocreError(
        "the run has no test or dev set with labels, or the files have changed since: give documents with --data"
    )
