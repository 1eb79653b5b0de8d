"""The log of a run: JSON lines on disk, a line for people on the console, and Weights & Biases when asked for."""

import json
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from docre.errors import DocreError


class RunLog:
    """Writes what happens in a run.

    path:    the JSON-lines file; None for a process that does not log.
    project: a Weights & Biases project, or None.
    config:  the run's config, told to Weights & Biases.
    """

    def __init__(self, path: Path | None, project: str | None = None, config: dict[str, Any] | None = None) -> None:
        self._start = time.perf_counter()
        self._file = None if path is None else path.open("w", encoding="utf-8", buffering=1)
        self._wandb = None
        if project is not None and path is not None:
            try:
                import wandb
            except ImportError:
                raise DocreError(
                    "logging.wandb is set, but wandb is not installed: pip install 'docre[wandb]'"
                ) from None
            self._wandb = wandb.init(project=project, name=path.parent.name, dir=path.parent, config=config)

    def write(self, event: str, text: str = "", **values: Any) -> None:
        """One line: what happened and its values; `text`, if given, goes to the console too."""
        if self._file is None:
            return
        seconds = round(time.perf_counter() - self._start, 3)
        self._file.write(json.dumps({"event": event, "seconds": seconds, **values}, ensure_ascii=False) + "\n")
        if self._wandb is not None:
            self._wandb.log({f"{event}/{name}": value for name, value in values.items()})
        if text:
            tqdm.write(text)

    def close(self) -> None:
        """End the log."""
        if self._file is not None:
            self._file.close()
        if self._wandb is not None:
            self._wandb.finish()
