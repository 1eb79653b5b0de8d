"""How time depends on the sizes of what docre computes at once on a CPU, and on the layout of the bilinear product.

    python -m scripts.benchmark.chunks [--rounds 3] [--pairs 1544] [--output results/benchmark-chunks.json]

bilinear forward, backward: the grouped bilinear classifier (12 groups of 64, 97 outputs) by pairs in a slice. "O @ W.T"
            is the forward product with its sides exchanged; docre computes "W @ O.T".
pooling:    context pooling, forward and backward, by elements of [tokens, entities, entities].
attention:  attention with dropout, forward and backward, by bytes of [heads, length, length].

The time is the least of all rounds, in ms for which a core worked, with one thread: it does not count while other jobs
have the core, though they may take its cache. All sizes of a row take turns.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import thread_time
from typing import Any

import torch

from docre.core import cli
from docre.core.files import write_json
from docre.core.memory import keep_freed_memory
from docre.models import bilinear, plan, pooling
from docre.models.attention import _WindowAttention
from docre.models.products import matmul
from docre.training.environment import versions
from scripts.benchmark.machine import describe_machine

GROUPS, BLOCK, OUTPUTS = 12, 64, 97
ENTITIES, HEADS, LENGTHS = 20, 12, (180, 220, 260, 300)  # of a batch
SLICES = [64, 128, 256, 512, 1024]
ELEMENTS = [2**14, 2**16, 2**18, 2**20, 2**22]
BYTES = [2**18, 2**19, 2**20, 2**21, 2**22, 2**23]
Measure = Callable[[int], float]


def bilinear_forward(pairs: int) -> Measure:
    """The forward pass as docre computes it."""
    head, tail, weight = bilinear_inputs(pairs)

    def measure(size: int) -> float:
        bilinear.SLICE_PAIRS["cpu"] = size
        return seconds(lambda: bilinear._BlockwiseBilinear.apply(head, tail, weight))

    return measure


def exchanged_forward(pairs: int) -> Measure:
    """The forward pass with the sides of the product exchanged."""
    head, tail, weight = bilinear_inputs(pairs)
    heads, tails = bilinear.by_group(head), bilinear.by_group(tail)
    blocks = weight.view(OUTPUTS, GROUPS, -1)

    def compute() -> None:
        logits = head.new_zeros(pairs, OUTPUTS)
        slices, buffer = bilinear.pair_slices(heads)
        for g in range(GROUPS):
            for part in slices:
                outer = bilinear.outer(heads[g, part], tails[g, part], buffer)
                logits[part] += matmul(outer.flatten(1), blocks[:, g].T)

    def measure(size: int) -> float:
        bilinear.SLICE_PAIRS["cpu"] = size
        return seconds(compute)

    return measure


def bilinear_backward(pairs: int) -> Measure:
    """The backward pass as docre computes it."""
    inputs = [x.requires_grad_() for x in bilinear_inputs(pairs)]

    def measure(size: int) -> float:
        bilinear.SLICE_PAIRS["cpu"] = size
        logits: Any = bilinear._BlockwiseBilinear.apply(*inputs)
        return seconds(lambda: torch.autograd.grad(logits, inputs, torch.ones_like(logits)))

    return measure


def bilinear_inputs(pairs: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random head, tail and weight."""
    head, tail = torch.randn(2, pairs, GROUPS, BLOCK).unbind()
    return head, tail, torch.randn(OUTPUTS, GROUPS * BLOCK * BLOCK) / 100


def context_pooling(_: int) -> Measure:
    """Context pooling of a batch."""
    tokens = [torch.randn(length, 384, requires_grad=True) for length in LENGTHS]
    rows = [torch.rand(ENTITIES, HEADS, length, requires_grad=True) for length in LENGTHS]
    first, second = torch.triu_indices(ENTITIES, ENTITIES, 1)

    def compute() -> None:
        for hidden, attention in zip(tokens, rows, strict=True):
            total, weight = pooling._ContextSums.apply(hidden, attention, first * ENTITIES + second)
            (total.sum() + weight.sum()).backward()

    def measure(size: int) -> float:
        pooling.SLICE_ELEMENTS["cpu"] = size
        return seconds(compute)

    return measure


def attention(_: int) -> Measure:
    """Attention of a batch in one layer."""
    q, k, v = (torch.randn(HEADS, sum(LENGTHS), 32, requires_grad=True) for _ in range(3))
    count = len(LENGTHS)

    def compute() -> None:
        windows = plan.AttentionPlan(LENGTHS, torch.zeros(count, dtype=torch.long), (1,) * count, 0)
        output, _ = _WindowAttention.apply(q, k, v, 32**-0.5, 0.1, windows, False)
        output.sum().backward()

    def measure(size: int) -> float:
        plan.SCRATCH_BYTES = size
        return seconds(compute)

    return measure


ROWS: dict[str, tuple[Callable[[int], Measure], list[int]]] = {
    "bilinear forward, W @ O.T": (bilinear_forward, SLICES),
    "bilinear forward, O @ W.T": (exchanged_forward, SLICES),
    "bilinear backward": (bilinear_backward, SLICES),
    "context pooling": (context_pooling, ELEMENTS),
    "attention": (attention, BYTES),
}


def seconds(work: Callable[[], object]) -> float:
    """The seconds that the core works for this."""
    start = thread_time()
    work()
    return thread_time() - start


def measured(pairs: int, rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """For each row its name, and the least ms by size."""
    for name, (make, sizes) in ROWS.items():
        measure = make(pairs)
        measure(sizes[-1])  # warm-up
        times = [[measure(size) for size in sizes] for _ in range(rounds)]
        yield name, {str(size): 1000 * min(each) for size, each in zip(sizes, zip(*times, strict=True), strict=True)}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=1544)
    parser.add_argument("--output", type=Path, default=Path("results/benchmark-chunks.json"))
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    keep_freed_memory()
    results: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "scripts.benchmark.chunks", *arguments]),
        "machine": describe_machine(),
        "versions": versions(),
        "seed": 0,
        "pairs": options.pairs,
        "milliseconds": {},
    }
    for name, row in measured(options.pairs, options.rounds):
        results["milliseconds"][name] = row
        print(f"{name:28}" + "".join(f"{size:>9}: {ms:7.1f}" for size, ms in row.items()), flush=True)
    write_json(options.output, results)
    print(f"written to {options.output}")


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
