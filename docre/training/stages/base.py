"""What every stage is: a name, a folder, the earlier stages that it takes something from, and how far it is."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from docre.config.loading import merge
from docre.core.cli import is_main_process
from docre.core.location import find_checkpoint
from docre.core.registry import Registry
from docre.errors import DocreError
from docre.training.folder import ExistingRun

PARTS = (("data", dict, "a mapping"), ("loss", dict, "a mapping"), ("plugins", list, "a list of modules"))
POLL = 0.5  # seconds between two looks of another process at whether a stage is finished


@dataclass(frozen=True)
class Standing:
    """How far a stage is, as its folder shows.

    state:  new (or nothing of it is saved yet), interrupted (it can be resumed), finished, or stale: its folder holds
            the result of something else than what is asked for now.
    reason: why it is stale.
    """

    state: Literal["new", "interrupted", "finished", "stale"]
    reason: str = ""

    @classmethod
    def of(cls, existing: ExistingRun) -> "Standing":
        """How far a run is."""
        if existing.difference:
            return cls("stale", existing.difference)
        if existing.metrics is not None:
            return cls("finished")
        return cls("new" if existing.state is None else "interrupted")

    def __str__(self) -> str:
        return f"{self.state} ({self.reason})" if self.reason else self.state


@dataclass(frozen=True)
class Stage(ABC):
    """A piece of work that is done once, in a folder of its own, and resumes where it was interrupted.

    name:   its name among the stages that are run together.
    folder: where its result is; nothing else writes there.
    takes:  earlier stages whose folders it reads.
    """

    name: str
    folder: Path
    takes: Sequence["Stage"]

    @property
    def targets_of(self) -> str | None:
        """The file of the documents that it makes a teacher's targets for; None if it makes none."""
        return None

    @abstractmethod
    def check(self) -> None:
        """Raises DocreError for what can be known to be wrong before any stage has run."""

    @abstractmethod
    def standing(self) -> Standing:
        """How far it is, as the folders show, its own and those that it reads. Writes nothing."""

    @abstractmethod
    def run(self, restart: bool = False) -> None:
        """Do it, or what is left of it. If a signal stops it, Interrupted is raised, and the next call goes on exactly
        there.

        restart: remove what its folder holds first.
        """

    @abstractmethod
    def plan(self, others: Sequence["Stage"]) -> list[str]:
        """What it does and what that costs, in lines for people. `others`: stages whose measurements it may use."""

    def is_ours(self) -> bool:
        """Whether this process is to run the stage. If it is not the main one, this waits until the stage is finished,
        and is False; the launcher ends this process if the main one fails."""
        if is_main_process():
            return True
        while self.standing().state != "finished":
            time.sleep(POLL)
        return False

    def will_exist(self, path: str | Path) -> bool:
        """Whether a file or folder exists, or is in the folder of a stage that this one takes from."""
        return Path(path).exists() or self.is_taken(path)

    def is_taken(self, path: str | Path) -> bool:
        """Whether a path is in the folder of a stage that this one takes from."""
        return any(Path(path).is_relative_to(stage.folder) for stage in self.takes)

    def check_checkpoint(self, path: str) -> None:
        """Raises DocreError unless this is a checkpoint, or an earlier stage will make it."""
        if not self.is_taken(path):
            find_checkpoint(path)


@dataclass(frozen=True)
class Place:
    """The place of a stage in a recipe.

    name, folder, takes: as of Stage.
    config:  what the configs of all stages have in common, as plain values.
    changes: changes to the config of every stage, from the command line, as plain values.
    """

    name: str
    folder: Path
    takes: Sequence[Stage]
    config: dict[str, Any]
    changes: dict[str, Any]

    @property
    def common(self) -> dict[str, Any]:
        """`config` with the `changes`. Raises DocreError if a part that stages of other kinds read has a wrong type."""
        values = merge(self.config, self.changes)
        for key, kind, expected in PARTS:
            if key in values and not isinstance(values[key], kind):
                raise DocreError(f"{key}: expected {expected}, got {values[key]!r}")
        return values


STAGES: Registry[Stage] = Registry("kind of stage", "docre.training.stages")
