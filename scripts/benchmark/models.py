"""Times forward and backward of docre's models against slow references, written as published, on real documents.

    python -m scripts.benchmark.models [--models NAME ...] [--encoder NAME] [--data FILE] [--batches 5] [--threads 2]
                                       [--output results/benchmark-models.json]

Both sides have the same weights and take turns batch by batch (4 documents), each in a process of its own. The ratio is
that of the times summed over all batches. Memory is the peak of a forward and backward pass, weights and gradients
included, but not what the process had before the model was built.

The published models that have a reference are in tests/models/published/timed.py.
"""

import argparse
import importlib
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from docre.core import cli
from docre.core.files import write_json
from docre.tensors import ModelOutput
from docre.training.environment import device_name, versions
from scripts.benchmark.process import Worker
from scripts.benchmark.workers import MINILM, Settings, Subject, add_data

BATCH = 4


class Fast(Subject):
    """docre's model; a step is a forward and a backward pass."""

    def step(self, prepared: Any) -> None:
        batch = self.batch(prepared)
        self.loss(self.model(batch), batch.labels).backward()
        self.objective.zero_grad()


class Published(Subject):
    """The reference of the same model."""

    keeps_memory = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        timed: Any = importlib.import_module("tests.models.published.timed")
        self.documents_of = importlib.import_module("tests.models.translate").documents_of
        outputs = self.loss.num_outputs
        self.model = timed.published_copy(settings.model, self.model, outputs)
        self.objective = self.model
        del self.optimizer  # it would keep docre's model in memory

    def prepare(self, chosen: Sequence[int]) -> Any:
        return self.documents_of([self.features[i] for i in chosen], self.collate.num_relations)

    def logits(self, prepared: Any) -> Tensor:
        return self.model(prepared)

    def step(self, prepared: Any) -> None:
        labels = torch.cat([d.labels for d in prepared])
        self.loss(ModelOutput(self.logits(prepared)), labels).backward()
        self.objective.zero_grad()


def compare(settings: Settings, batches: int) -> dict[str, Any]:
    """Measure one model. Returns what the JSON file has under models/<name>."""
    sides = {"fast": Worker(Fast, settings), "published": Worker(Published, settings)}
    groups = [range(start, start + BATCH) for start in range(0, batches * BATCH, BATCH)]
    first = {name: worker.ask("first_logits", groups[0]) for name, worker in sides.items()}
    seconds: dict[str, float] = dict.fromkeys(sides, 0.0)
    megabytes: dict[str, float] = dict.fromkeys(sides, 0.0)
    for worker in sides.values():
        worker.ask("train", groups[0])  # warm-up
    for i, group in enumerate(groups):
        for name in sides if i % 2 else reversed(sides):
            time, memory = sides[name].ask("train", group)
            seconds[name] += time
            megabytes[name] = max(megabytes[name], memory)
    for worker in sides.values():
        worker.stop()
    return {
        "documents": batches * BATCH,
        "largest_difference_of_logits": float(np.abs(first["fast"] - first["published"]).max()),
        "seconds": seconds,
        "ratio": seconds["published"] / seconds["fast"],
        "megabytes": megabytes,
        "memory_share": megabytes["fast"] / megabytes["published"],
    }


def table(results: dict[str, Any]) -> str:
    """The results as a text table."""
    lines = [f"{'model':12}{'published':>11}{'docre':>9}{'ratio':>8}   MB (seconds a document)"]
    for name, r in results["models"].items():
        published, fast = (r["seconds"][side] / r["documents"] for side in ("published", "fast"))
        memory = f"{r['megabytes']['published']:.0f} -> {r['megabytes']['fast']:.0f} ({100 * r['memory_share']:.0f}%)"
        lines.append(f"{name:12}{published:11.3f}{fast:9.3f}{r['ratio']:8.2f}   {memory}")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    builders = importlib.import_module("tests.models.published.timed").BUILDERS
    parser.add_argument("--models", nargs="+", choices=builders, default=list(builders))
    parser.add_argument("--encoder", default=MINILM)
    add_data(parser)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=66)
    parser.add_argument("--output", type=Path, default=Path("results/benchmark-models.json"))
    options = parser.parse_args(arguments)
    data = options.data
    results: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "scripts.benchmark.models", *arguments]),
        "device": device_name(torch.device("cpu")),
        "versions": versions(),
        "data": data,
        "seed": options.seed,
        "models": {},
    }
    for name in options.models:
        settings = Settings(
            encoder=options.encoder,
            data=data,
            documents=options.batches * BATCH,
            averaged_layers=1,
            device="cpu",
            precision="fp32",
            threads=options.threads,
            seed=options.seed,
            model=name,
        )
        results["models"][name] = compare(settings, options.batches)
        print(table({"models": {name: results["models"][name]}}), flush=True)
    write_json(options.output, results)
    print(f"written to {options.output}")


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
