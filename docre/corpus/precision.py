"""The precision of a corpus: each checkpoint predicts all documents in one, on whatever machines, and however often the
command is started."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from docre.config.loading import read_saved_config
from docre.core.location import find_checkpoint
from docre.corpus.worker import Job
from docre.errors import DocreError
from docre.models.precision import default_device, resolve_precision
from docre.text import TAGGERS

KEY = "training.precision"
FIXED = ("fp32", "bf16")  # what every device computes in

# (setting, ahead) -> the precision of a setting where documents are predicted; or where they are featurized, ahead
Resolve = Callable[[str, bool], str]


def resolve_here(setting: str, ahead: bool = False) -> str:
    """The precision of a setting on this machine, all of whose processes have the same kind of device."""
    return resolve_precision(setting, default_device())


def settle(
    job: Job, resolve: Resolve, before: dict[str, Any] | None = None, predicted: bool = False
) -> tuple[Job, dict[str, Any] | None]:
    """The job with a precision for each checkpoint and, if it has a tagger that docre trains, for that; and what the
    manifest of an earlier start says (`before`, of `manifest_of`), with what it did not record. If documents are
    `predicted` already, "auto" is what it was for them.

    Raises DocreError if that is fp16, which the devices do not have.
    """
    count = len(job.checkpoints)
    recorded = before if before and len(before["precision"]) == count and predicted else {}

    def chosen(setting: str, was: str | None, ahead: bool = False) -> str:
        wanted = was if setting == "auto" and was else setting
        found = wanted if wanted in FIXED else resolve(wanted, ahead)
        if setting == "auto" and was not in (None, found):
            raise DocreError(f"{job.output.folder}: was predicted in {was}, which needs a GPU: choose another folder")
        return found

    configs = saved_configs(job.checkpoints, job.changes)
    pairs = zip(configs, recorded.get("precision", [None] * count), strict=True)
    precision = tuple(chosen(config.training.precision, was) for config, was in pairs)
    tagger = configs[0].tagger if job.contents["text"] else None
    if tagger is not None and tagger.name in TAGGERS and TAGGERS[tagger.name].portable:  # type: ignore[attr-defined]
        job = replace(job, tagger_precision=chosen("auto", recorded.get("tagger_precision"), True))
    if before is not None:  # what was not recorded is taken to be the same
        before["precision"] = [was or now for was, now in zip(before["precision"], precision, strict=False)]
        before.setdefault("tagger_precision", job.tagger_precision)
    return replace(job, precision=precision), before


def manifest_of(job: Job) -> dict[str, Any] | None:
    """The manifest in a job's folder, as this version writes it. Earlier ones knew the precision only as one of the
    `changes`, or from the checkpoint: where it was "auto", None stands for what it was."""
    before = job.output.manifest()
    if before is not None and not isinstance(before.get("precision"), list):
        changes = before.get("changes") or []
        settings = [config.training.precision for config in saved_configs(job.checkpoints, changes)]
        before["precision"] = [setting if setting in FIXED else None for setting in settings]
        before["changes"] = other_changes(changes)
    return before


def other_changes(changes: Sequence[str]) -> list[str]:
    """The changes of a config without those of the precision."""
    return [change for change in changes if change.partition("=")[0] != KEY]


def saved_configs(checkpoints: Sequence[str], changes: Sequence[str]) -> list[Any]:
    """The config of each checkpoint, with the changes."""
    return [read_saved_config(find_checkpoint(folder), changes) for folder in checkpoints]
