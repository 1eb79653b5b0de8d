"""What each stage of a training with distant data costs, calculated from a sample.

    python -m scripts.benchmark.distant [--data FILE] [--encoder NAME] [--sizes 16 64] [--output FILE]

A recipe with every kind of stage (teacher, its labels, logits and attention, student, fine-tuning) is run on the first
documents of each of two sizes, each stage in a process of its own with one thread, in float32. What a stage takes for a
document is the difference between both sizes divided by the number of documents between them, and is multiplied by the
101,873 documents of DocRED's distant set (the teacher and fine-tuning: by the 3,053 annotated ones).

disk:   what the stage leaves, its checkpoint included.
memory: the peak of the process on the larger sample. Documents are streamed, so it hardly grows with their number.
time:   for which a core worked, for one epoch.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from docre.core import cli
from docre.core.files import read_json, write_json
from docre.errors import DocreError
from docre.training.environment import device_name, versions
from scripts.benchmark.workers import MINILM, add_data

DOCUMENTS = {"distant": 101_873, "annotated": 3_053}
STAGES: dict[str, str] = {
    "teacher": "annotated",
    "labels": "distant",
    "logits": "distant",
    "attention": "distant",
    "student": "distant",
    "finetune": "annotated",
}


class Cost(NamedTuple):
    """What a stage takes: seconds of a core, bytes on disk, and MB of memory at the peak."""

    seconds: float
    bytes: float
    megabytes: float


def recipe_of(folder: Path, encoder: str) -> dict[str, Any]:
    """A recipe with every kind of stage, on the documents in the folder."""
    data = str(folder / "documents.json")
    config = {
        "data": {"train": data, "relations": "docred", "stream": True},
        "encoder": {"name": encoder},
        "loss": {"name": "atl"},
        "training": {"epochs": 1, "precision": "fp32"},
    }
    stages: list[dict[str, Any]] = [
        {"name": "teacher"},
        {"name": "labels", "labels": data, "checkpoint": "${teacher}"},
        {"name": "logits", "targets": ["logits"], "checkpoint": "${teacher}", "data": data},
        {"name": "attention", "targets": ["attention"], "checkpoint": "${teacher}", "data": data},
        {"name": "student", "set": {"data.targets": "${logits}", "terms": [{"name": "distil"}]}},
        {"name": "finetune", "set": {"training.initial_weights": "${student}"}},
    ]
    return {"output": str(folder / "out"), "config": config, "stages": stages}


def measure(documents: list[Any], encoder: str) -> dict[str, Cost]:
    """What every stage takes on these documents. Raises DocreError if a stage fails."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_json(folder / "documents.json", documents)
        write_json(folder / "recipe.yaml", recipe_of(folder, encoder))  # JSON is YAML
        for stage in STAGES:
            command = [sys.executable, "-m", "docre", "recipe", str(folder / "recipe.yaml"), "--stage", stage]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            with open(folder / "errors", "w+") as errors:
                child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
                _, status, usage = os.wait4(child.pid, 0)
                errors.seek(0)
                if status:
                    raise DocreError(f"stage {stage}: {errors.read()}")
            files = [file for file in (folder / "out" / stage).rglob("*") if file.is_file()]
            found[stage] = Cost(
                usage.ru_utime + usage.ru_stime, sum(file.stat().st_size for file in files), usage.ru_maxrss / 1024
            )
    return found


def extrapolate(few: Cost, many: Cost, sizes: tuple[int, int], count: int) -> Cost:
    """What a stage takes for `count` documents, from what it took for two smaller numbers of them."""
    seconds, disk = (
        y + (y - x) / (sizes[1] - sizes[0]) * (count - sizes[1])
        for x, y in ((few.seconds, many.seconds), (few.bytes, many.bytes))
    )
    return Cost(seconds, disk, many.megabytes)


def table(stages: dict[str, dict[str, Any]]) -> str:
    """The results as a table in Markdown."""
    lines = ["| stage | documents | disk | peak memory | time of a core |", "|---|---:|---:|---:|---:|"]
    for name, s in stages.items():
        disk, memory, hours = s["bytes"] / 1e9, s["megabytes"], s["seconds"] / 3600
        lines.append(f"| {name} | {s['documents']:,} | {disk:.2f} GB | {memory:,.0f} MB | {hours:.1f} h |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data(parser)
    parser.add_argument("--encoder", default=MINILM)
    parser.add_argument("--sizes", type=int, nargs=2, default=[16, 64], help="of the two samples")
    parser.add_argument("--output", type=Path, default=Path("results/benchmark-distant.json"))
    options = parser.parse_args(arguments)
    documents = read_json(Path(options.data))
    small, large = options.sizes
    if not 0 < small < large <= len(documents):
        raise DocreError(f"--sizes: expected two numbers that grow, up to the {len(documents)} documents of the data")
    few, many = (measure(documents[:size], options.encoder) for size in (small, large))
    stages = {}
    for name, kind in STAGES.items():
        cost = extrapolate(few[name], many[name], (small, large), DOCUMENTS[kind])
        stages[name] = {"documents": DOCUMENTS[kind], **cost._asdict()}
    results = {
        "command": shlex.join(["python", "-m", "scripts.benchmark.distant", *arguments]),
        "device": device_name(torch.device("cpu")),
        "versions": versions(),
        "data": options.data,
        "encoder": options.encoder,
        "stages": stages,
        "samples": {str(n): {name: c._asdict() for name, c in s.items()} for n, s in ((small, few), (large, many))},
    }
    print(table(stages))
    write_json(options.output, results)
    print(f"written to {options.output}")


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
