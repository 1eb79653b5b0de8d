"""The options with which `docre predict` and `docre extract` take a corpus instead of a file."""

import argparse
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from docre.core import hub
from docre.core.storage import is_remote
from docre.errors import DocreError
from docre.extraction import describe_apart

DEFAULTS = {"engine": "local", "processes": None, "threads": None, "format": "jsonl", "part_size": 256, "strict": False}


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    """Add the options, which are for an output that `is_folder`."""
    group = parser.add_argument_group("a corpus of any size", "with a folder (out/) or an address as --output")
    group.add_argument("--engine", choices=("local", "ray"), help="this machine, or a Ray cluster (RAY_ADDRESS)")
    group.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="how many predict at once (default: one for each GPU, here one on a CPU, and with Ray one for each CPU)",
    )
    group.add_argument("--threads", type=int, metavar="N", help="of each process (default: they share the CPUs)")
    group.add_argument("--format", choices=("jsonl", "parquet"), help="of the parts (%(default)s)")
    group.add_argument("--part-size", type=int, metavar="N", help="documents in a part (%(default)s)")
    group.add_argument("--strict", action="store_true", help="stop at a document that cannot be read or predicted")
    group.set_defaults(**DEFAULTS)


def is_folder(options: argparse.Namespace) -> bool:
    """Whether `--output` is a folder for a corpus: an address, a folder that is there, or a name that ends with a slash
    or has no suffix, unless it is that of a file. Raises DocreError if it is the address of a file, and if it is no
    folder, but another option needs one."""
    output = options.output
    if output is not None:
        if is_remote(output) and PurePosixPath(output).suffix and not output.endswith("/"):
            raise DocreError(f"--output: at an address only a folder is written, which ends with a slash: {output}/")
        if output.endswith(("/", os.sep)) or is_remote(output) or os.path.isdir(output):
            return True
        if not Path(output).suffix and not os.path.exists(output):
            return True
    for name, default in DEFAULTS.items():
        if getattr(options, name) != default:
            raise DocreError(f"--{name.replace('_', '-')}: needs a folder as --output, such as out/")
    return False


def predict_into_folder(
    options: argparse.Namespace, changes: Sequence[str], patterns: Sequence[str], contents: Mapping[str, Any]
) -> None:
    """Predict the files of the patterns into the folder `--output`, as the options say, and print the totals. Raises
    DocreError, in the end, if files could not be read to their end."""
    for name in ("processes", "threads", "part_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise DocreError(f"--{name.replace('_', '-')}: expected a positive number, got {value}")
    if options.dev:
        raise DocreError(
            "--dev: for a corpus fit the threshold first: docre calibrate --output FILE, then --calibration FILE"
        )
    import torch

    from docre.corpus.contents import reader_of
    from docre.corpus.engines import alone, processes
    from docre.corpus.precision import resolve_here
    from docre.corpus.ray_engine import on_ray, resolve_on_ray
    from docre.corpus.run import predict_corpus
    from docre.corpus.shards import Output, check_format
    from docre.corpus.worker import Job, threads_of

    check_format(options.format)
    gpus = torch.cuda.device_count()
    number = options.processes or gpus or 1
    threads = options.threads or (threads_of(number) if options.processes or number > 1 else None)
    if options.engine == "ray":
        engine: Any = partial(on_ray, workers=options.processes)
        resolve: Any = resolve_on_ray
        threads = options.threads or 1
    else:
        resolve = resolve_here
        engine = alone if number == 1 else partial(processes, number=number, devices=gpus)
    job = Job(
        tuple(absolute(str(checkpoint)) for checkpoint in options.checkpoint),
        Output(absolute(options.output), options.format),
        dict(contents),
        tuple(changes),
        tuple(options.plugins),
        options.calibration and absolute(options.calibration),
        options.force,
        options.strict,
        threads,
    )
    totals = predict_corpus(job, patterns, reader_of(job), options.part_size, engine, resolve)
    if totals.cut:
        print(f"{totals.cut:,} documents are longer than evaluation.max_tokens: their ends were not read")
    if totals.apart:
        print(describe_apart(totals.apart, totals.pairs))
    if totals.rejected:
        print(f"{totals.rejected:,} documents were rejected: {job.output.path('rejected.jsonl')} tells why")
    print(f"{options.output}: {totals.triples:,} triples of {totals.documents:,} documents")
    if totals.unread:
        where = job.output.path("rejected.jsonl")
        raise DocreError(f"all else is done, but {totals.unread:,} files were not read to their end: {where} tells why")


def absolute(path: str) -> str:
    """A path that means the same in every process of every machine; addresses are."""
    return path if is_remote(path) or path.startswith(hub.PREFIX) else os.path.abspath(path)
