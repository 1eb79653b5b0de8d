"""Times docre (the "fast path") against a slow reference that is written like published code, on real documents.

    python -m scripts.benchmark [--encoders NAME ...] [--data FILE] [--batches 20] [--threads 2] [--device cpu]
                                [--averaged-layers 1] [--precision auto] [--scaling]
                                [--clock wall] [--output results/benchmark-<device>.json]

A training step is one batch of 4 documents: forward, loss, backward, gradient clipping, AdamW. An evaluation is one
batch of 8 documents up to the decisions. Each side runs in its own process, and they take turns batch by batch, so that
a busy machine slows both alike. The ratio is that of the times summed over all batches.

reference:  nothing changes how the C allocator of its process works.
same alloc: the reference with the allocator settings that docre makes in training ("to same" is the ratio to it), so
            that what remains is due to the code.
sorted:     the reference on the same documents, in batches of similar length.
seconds:    of the clock on the wall, or with --clock cpu those that the cores worked for the process. On a machine that
            is busy with other jobs take these, and --threads 1: a thread that waits for another one counts as working.
floor:      the time that the matrix products of the fast path alone would take at the matmul peak measured here.
memory:     the peak of a training step, weights and optimizer state included.

--scaling adds sweeps over the numbers of entities, tokens and documents in a batch, on random documents.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from docre.core import cli
from docre.core.files import write_json
from docre.errors import DocreError
from docre.models.precision import resolve_precision
from docre.training.environment import device_name, versions
from scripts.benchmark.machine import describe_machine
from scripts.benchmark.plot import plot
from scripts.benchmark.process import Worker
from scripts.benchmark.reference import Reference, ReferenceKeepingMemory
from scripts.benchmark.scaling import scaling, scaling_table
from scripts.benchmark.stages import Sums, combine, stage_table
from scripts.benchmark.workers import CLOCKS, MINILM, RANDOM, ROOT, Settings, Subject, add_data

TRAINING_BATCH, EVALUATION_BATCH = 4, 8
STAGED = 5  # batches for which stages are timed and FLOPs counted
# (name of the work, the worker's method, documents in a batch)
WORK = (("training", "train", TRAINING_BATCH), ("evaluation", "evaluate", EVALUATION_BATCH))


def compare(settings: Settings, batches: int, progress: bool = True) -> dict[str, Any]:
    """Measure one encoder. Returns what the JSON file has under encoders/<name>."""
    fast, slow, kept = (Worker(make, settings) for make in (Subject, Reference, ReferenceKeepingMemory))
    workers = {"fast": fast, "reference": slow, "same_allocator": kept}
    order = range(batches * EVALUATION_BATCH)
    first = {name: worker.ask("first_logits", order[:TRAINING_BATCH]) for name, worker in workers.items()}
    differences = [np.abs(first["fast"] - first[name]).max() for name in ("reference", "same_allocator")]
    result: dict[str, Any] = {
        "largest_difference_of_logits": float(max(differences)),
        "keeps_freed_memory": {name: worker.ask("keeps_freed_memory") for name, worker in workers.items()},
    }
    for work, method, size in reversed(WORK):  # evaluation first: a process keeps the memory that training freed
        plain = groups(order[: batches * size], size)
        tokens = {i: slow.ask("sizes", [i])[0] for group in plain for i in group}
        by_length = groups(sorted(tokens, key=lambda i: tokens[i]), size)
        for worker in workers.values():
            worker.ask(method, plain[0])  # warm-up
        turns = [(worker, name, plain) for name, worker in workers.items()] + [(slow, "sorted", by_length)]
        seconds: dict[str, list[float]] = {name: [] for _, name, _ in turns}
        megabytes: dict[str, list[float]] = {name: [] for _, name, _ in turns}
        for i in range(batches):
            for worker, name, batch in turns if i % 2 else turns[::-1]:
                time, memory = worker.ask(method, batch[i])
                seconds[name].append(time)
                megabytes[name].append(memory)
            if progress:
                done = sum(seconds["reference"]) / sum(seconds["fast"])
                print(f"\r{work} {i + 1}/{batches}: {done:.2f}x ", end="", file=sys.stderr, flush=True)
        total = {name: sum(times) for name, times in seconds.items()}
        sizes = [slow.ask("sizes", group) for group in plain]
        result[work] = {
            "documents": batches * size,
            "tokens": sum(s[0] for s in sizes),
            "pairs": sum(s[1] for s in sizes),
            **total,
            "ratio": total["reference"] / total["fast"],
            "ratio_to_same_allocator": total["same_allocator"] / total["fast"],
            "ratio_to_sorted": total["sorted"] / total["fast"],
            "sorting_alone": total["reference"] / total["sorted"],
            "batch_ratios": [r / f for r, f in zip(seconds["reference"], seconds["fast"], strict=True)],
            **{f"{name}_megabytes": max(megabytes[name]) for name in workers},
            "memory_share": max(megabytes["fast"]) / max(megabytes["reference"]),
        }
    speed = max(worker.ask("matmul_peak") for worker in workers.values())
    result["matmul_peak_gflops"] = speed / 1e9
    for work, method, size in WORK:
        sample = groups(order[: batches * size], size)[:STAGED]
        flops = sum(fast.ask("flops", method, group) for group in sample)
        result[work]["floor"] = flops / speed / (len(sample) * size)
    staged = groups(order[: batches * TRAINING_BATCH], TRAINING_BATCH)[:STAGED]
    laps: dict[str, list[Sums]] = {name: [] for name in workers}
    for group in staged:
        for name, worker in workers.items():
            laps[name].append(worker.ask("stages", group))
    flops_of_stages = [fast.ask("stage_flops", group) for group in staged]
    result["stages"] = combine(laps, flops_of_stages, len(staged) * TRAINING_BATCH, speed)
    for worker in workers.values():
        worker.stop()
    return result


def groups(documents: Sequence[int], size: int) -> list[list[int]]:
    """The documents in batches of `size`."""
    return [list(documents[start : start + size]) for start in range(0, len(documents), size)]


def table(results: dict[str, Any]) -> str:
    """The results as text tables."""
    lines = []
    for encoder, r in results["encoders"].items():
        lines.append(f"\n{encoder} (seconds a document, peak MB; floor at {r['matmul_peak_gflops']:.0f} GFLOP/s)")
        titles = ("reference", "same alloc", "sorted", "fast", "ratio", "to same", "to sorted", "floor")
        lines.append(f"{'':12}" + "".join(f"{title:>11}" for title in titles) + "   memory")
        for work, _, size in WORK:
            w = r[work]
            sides = ("reference", "same_allocator", "sorted", "fast")
            times = "".join(f"{w[name] / w['documents']:11.4f}" for name in sides)
            ratios = "".join(f"{w[name]:11.2f}" for name in ("ratio", "ratio_to_same_allocator", "ratio_to_sorted"))
            memory = " / ".join(f"{w[f'{name}_megabytes']:.0f}" for name in ("reference", "same_allocator"))
            memory += f" -> {w['fast_megabytes']:.0f} ({100 * w['memory_share']:.0f}%), batches of {size}"
            lines.append(f"{work:12}{times}{ratios}{w['floor']:11.4f}   {memory}")
        lines.append(f"largest difference of logits: {r['largest_difference_of_logits']:.1e}")
        kept = ", ".join(f"{name} {kept}" for name, kept in r["keeps_freed_memory"].items())
        lines.append(f"allocator keeps freed memory, as measured: {kept}")
        lines.append(f"stages of a training step (of the first batches, {STAGED} at most)\n{stage_table(r['stages'])}")
    if "scaling" in results:
        lines.append(scaling_table(results["scaling"]))
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", nargs="*", default=[MINILM, RANDOM])
    add_data(parser)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--averaged-layers", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto", help="of both sides (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=66)
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu for a machine that is busy with other jobs"
    )
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--entities", type=int, nargs="+", default=[5, 10, 20, 40, 80, 140, 200])
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 256, 512, 1024, 2048, 4096])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--output")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    data = options.data
    precision = resolve_precision(options.precision, options.device)
    if options.precision not in ("auto", precision):
        raise DocreError(f"--precision: {options.precision} needs CUDA, and --device is {options.device}")

    def settings(encoder: str, documents: int) -> Settings:
        return Settings(
            encoder,
            data,
            documents,
            options.averaged_layers,
            options.device,
            precision,
            options.threads,
            options.seed,
            clock=options.clock,
        )

    results: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "scripts.benchmark", *arguments]),
        "device": f"{device_name(torch.device(options.device))}, {precision}",
        "machine": describe_machine(),
        "versions": versions(),
        "data": os.path.relpath(data, ROOT),
        "seed": options.seed,
        "clock": options.clock,
        "averaged_layers": options.averaged_layers,
        "encoders": {},
    }
    if options.batches < 1:
        raise DocreError(f"--batches: expected at least 1, got {options.batches}")
    path = Path(options.output or f"results/benchmark-{options.device}.json")
    for encoder in options.encoders:
        results["encoders"][encoder] = compare(settings(encoder, options.batches * EVALUATION_BATCH), options.batches)
        write_json(path, results)
    if options.scaling:
        encoder = options.encoders[0] if options.encoders else MINILM
        results["scaling"] = scaling(settings(encoder, 8), options.entities, options.tokens, options.sizes)
    print(f"\n{results['device']}, {data}{table(results)}")
    write_json(path, results)
    plotted = plot(results, path.with_suffix(".png")) if results["encoders"] else False
    print(f"\nwritten to {path}" + (f" and {path.with_suffix('.png').name}" if plotted else ""))


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
