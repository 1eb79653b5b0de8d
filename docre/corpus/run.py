"""Predicts a corpus: plans it, does what is not done yet, and collects what was rejected."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from docre.core.location import find_checkpoint
from docre.core.manifests import MANIFEST, digest, locked, remove_leftovers
from docre.core.progress import progress_bar
from docre.core.listing import expand
from docre.core.storage import Input, is_remote
from docre.corpus.contents import record_reader
from docre.corpus.shards import Counts
from docre.corpus.units import Group, Unit, grouped, units
from docre.corpus.worker import Job
from docre.data.readers.base import RecordReader
from docre.version import VERSION

SUFFIXES = (".json", ".jsonl", ".parquet", ".xml", ".txt")
Engine = Callable[[Sequence[Group], Job], Iterator[Counts]]


def predict_corpus(job: Job, patterns: Sequence[str], reader: str | None, unit_size: int, engine: Engine) -> Counts:
    """Predict all documents of the files that the patterns mean (see docre.core.storage.expand), each exactly once,
    however often this is interrupted and started again; return the totals.

    reader:    of the documents; None for plain texts.
    unit_size: the documents of a unit.
    engine:    does the units.

    Raises DocreError if the output folder holds anything else, if the checkpoint cannot be loaded, and, if the job is
    strict, for the first document that cannot be predicted.
    """
    suffixes = (".txt", ".jsonl", ".parquet") if reader is None else SUFFIXES
    files = list({file.path: file for pattern in patterns for file in expand(pattern, suffixes)}.values())
    read = None if reader is None else record_reader(reader)
    plan = plan_of(job, files, unit_size)
    with nullcontext() if is_remote(job.output.folder) else locked(Path(job.output.folder)):
        if not is_remote(job.output.folder):
            for folder in (Path(job.output.folder), Path(job.output.path("units"))):
                if folder.is_dir():
                    remove_leftovers(folder)
        totals = job.output.start(plan)
        if totals is not None:
            return totals
        done = job.output.committed()
        groups = [partial(remaining, i, group, read, unit_size, done) for i, group in enumerate(grouped(files))]
        before = sum((job.output.counts(name) for name in sorted(done)), Counts())
        watch(engine(groups, job), before, sum(file.size for file in files))
        return job.output.finish(plan, job.output.committed())


def plan_of(job: Job, files: Sequence[Input], unit_size: int) -> dict[str, Any]:
    """What is predicted with what, for the manifest: another plan gives other parts."""
    values = asdict(job)
    calibration = None if job.calibration is None else digest(Path(job.calibration))
    left_out = ("checkpoint", "output", "calibration", "force", "strict", "threads")
    return {
        "docre": VERSION,
        "checkpoint": digest(find_checkpoint(job.checkpoint) / MANIFEST),
        "calibration": calibration,
        **{key: value for key, value in values.items() if key not in left_out},
        "format": job.output.format,
        "documents a unit": unit_size,
        "inputs": [[file.path, file.size] for file in files],
    }


def remaining(
    group: int, files: Sequence[Input], reader: RecordReader | None, unit_size: int, done: Collection[str]
) -> Iterator[Unit]:
    """The units of a group that are not done yet."""
    return (unit for unit in units(group, files, reader, unit_size) if unit.name not in done)


def watch(counted: Iterator[Counts], before: Counts, size: int) -> None:
    """Show how far it is, in bytes of input, with documents and pairs a second. `before`: what was done earlier."""
    now, start = Counts(), time.monotonic()
    with progress_bar(size, "predict", "B", initial=before.size, unit_scale=True) as bar:
        for counts in counted:
            now += counts
            seconds = time.monotonic() - start
            speed = f"{now.documents / seconds:.1f} documents/s, {now.pairs / seconds:.0f} pairs/s"
            bar.set_postfix(done=f"{before.documents + now.documents} documents", speed=speed)
            bar.update(counts.size)
