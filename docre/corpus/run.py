"""Predicts a corpus: plans it, does what is not done yet, and collects what was rejected."""

import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from docre.core.listing import expand, is_inside
from docre.core.location import find_checkpoint
from docre.core.manifests import MANIFEST, digest, locked, remove_leftovers
from docre.core.progress import progress_bar
from docre.core.storage import Input, is_remote
from docre.corpus.contents import record_reader
from docre.corpus.precision import Resolve, manifest_of, other_changes, resolve_here, settle
from docre.corpus.shards import REJECTED, Counts
from docre.corpus.units import Group, Unit, grouped, units
from docre.corpus.worker import Job
from docre.data.readers.base import RecordReader
from docre.errors import DocreError
from docre.formats import reader_hint
from docre.version import VERSION

TEXTS = (".txt", ".jsonl", ".parquet")
FIRST = 1000  # documents; if none of them can be predicted, something else than the documents is wrong
Engine = Callable[[Sequence[Group], Job], Generator[Counts, None, None]]


def predict_corpus(
    job: Job,
    patterns: Sequence[str],
    reader: str | None,
    unit_size: int,
    engine: Engine,
    resolve: Resolve = resolve_here,
) -> Counts:
    """Predict all documents of the files that the patterns mean (see `input_files`), each exactly once, however often
    this is interrupted and started again; return the totals.

    reader:    of the documents; None for plain texts.
    unit_size: the documents of a unit.
    engine:    does the units.
    resolve:   tells the precision of a setting on the devices of the engine.

    Raises DocreError if the output folder holds anything else, if the checkpoint cannot be loaded, if none of all
    documents, or of the FIRST ones, can be predicted, and, if the job is strict, for the first one that cannot.
    """
    read = None if reader is None else record_reader(reader)
    files = input_files(patterns, TEXTS if read is None else read.suffixes, job.output.folder)
    with nullcontext() if is_remote(job.output.folder) else locked(Path(job.output.folder)):
        recorded = manifest_of(job)
        complete = recorded is not None and recorded.get("complete")
        reports = {} if complete else job.output.reports()
        earlier = Counts(**recorded["totals"]) if recorded is not None and complete else counted(reports)
        predicted = earlier.documents > 0
        job, recorded = settle(job, resolve, recorded, predicted)
        plan = plan_of(job, files, unit_size)
        totals = job.output.start(plan, recorded, predicted)
        if totals is not None:
            if job.strict and totals.rejected:
                raise DocreError(f"{totals.rejected:,} documents were rejected: {job.output.path(REJECTED)} tells why")
            return totals
        if not is_remote(job.output.folder):  # only now, as other folders are not ours
            for folder in (Path(job.output.folder), Path(job.output.path("units"))):
                if folder.is_dir():
                    remove_leftovers(folder)
        reports = {name: reports[name] for name in job.output.committed()}
        if job.strict and rejected_in(reports):
            raise first_rejected(reports)
        done = {name: report.get("digest") for name, report in reports.items()}
        groups = [partial(remaining, i, group, read, unit_size, done) for i, group in enumerate(grouped(files))]
        print(f"{job.output.folder}: predicting in {' and '.join(dict.fromkeys(job.precision))}", flush=True)
        useful = watch(engine(groups, job), counted(reports), sum(file.size for file in files))
        reports |= {name: job.output.report(name) for name in job.output.committed() - done.keys()}
        if not useful:
            job.output.clear()
            raise none_predicted(reports, reader)
        return job.output.finish(plan, reports)


def input_files(patterns: Sequence[str], suffixes: Collection[str], output: str) -> list[Input]:
    """The files that the patterns mean (see docre.core.listing.expand), each once, without those in the output folder.
    Raises DocreError if there are none."""
    found = {file.path: file for pattern in patterns for file in expand(pattern, suffixes)}
    files = [file for path, file in found.items() if not is_inside(path, output)]
    if not files:
        raise DocreError(f"{', '.join(patterns)}: no files there but those of the output")
    return files


def counted(reports: Mapping[str, Any]) -> Counts:
    """What was done in all units; `reports`: of them, by name."""
    return sum((Counts(**report["counts"]) for report in reports.values()), Counts())


def rejected_in(reports: Mapping[str, Any]) -> list[Any]:
    """What was rejected, in the order of the corpus; `reports`: of all units, by name."""
    return [each for _, report in sorted(reports.items()) for each in report["rejected"]]


def first_rejected(reports: Mapping[str, Any]) -> DocreError:
    """The error (returned, not raised) about the first document that was rejected by a start without `strict`."""
    return DocreError(f"rejected before, without --strict: {rejected_in(reports)[0]['reason']}")


def none_predicted(reports: Mapping[str, Any], reader: str | None) -> DocreError:
    """The error (returned, not raised) that no document could be predicted, with what is wrong with the first."""
    rejected = rejected_in(reports)
    file, reason = rejected[0]["place"]["file"], rejected[0]["reason"]
    advice = "" if reader is None or is_remote(file) else reader_hint(file, reader)
    return DocreError(f"none of {len(rejected):,} documents can be predicted; the first: {reason}{advice}")


def plan_of(job: Job, files: Sequence[Input], unit_size: int) -> dict[str, Any]:
    """What is predicted with what, for the manifest: another plan gives other parts."""
    values = asdict(job)
    calibration = None if job.calibration is None else digest(Path(job.calibration))
    left_out = ("checkpoints", "output", "calibration", "force", "strict", "threads")
    return {
        "docre": VERSION,
        "checkpoints": [digest(find_checkpoint(folder) / MANIFEST) for folder in job.checkpoints],
        "calibration": calibration,
        **{key: value for key, value in values.items() if key not in left_out},
        "changes": other_changes(job.changes),
        "format": job.output.format,
        "documents a unit": unit_size,
        "inputs": [[file.path, file.size] for file in files],
    }


def remaining(
    group: int, files: Sequence[Input], reader: RecordReader | None, unit_size: int, done: Mapping[str, str | None]
) -> Iterator[Unit]:
    """The units of a group that are not done yet. `done`: the digests of the others; None if none was recorded. Raises
    DocreError if the documents of one have changed since."""
    for unit in units(group, files, reader, unit_size):
        if unit.name not in done:
            yield unit
        elif done[unit.name] not in (None, unit.digest):
            raise DocreError(f"{unit.records[0].path}: has changed since it was predicted: choose another folder")


def watch(counted: Generator[Counts, None, None], before: Counts, size: int) -> bool:
    """Show how far it is, in bytes of input, with documents and pairs a second. `before`: what was done earlier. Return
    whether it is worth the while: if no document is predicted, neither at all nor of the FIRST, it is not."""
    now, start = Counts(), time.monotonic()
    with closing(counted), progress_bar(size, "predict", "B", initial=before.size, unit_scale=True) as bar:
        for counts in counted:
            now += counts
            seconds = time.monotonic() - start
            speed = f"{now.documents / seconds:.1f} documents/s, {now.pairs / seconds:.0f} pairs/s"
            bar.set_postfix(done=f"{before.documents + now.documents} documents", speed=speed)
            bar.update(counts.size)
            if not (before + now).documents and (before + now).failed >= FIRST:
                break
    return bool((before + now).documents) or not (before + now).failed
