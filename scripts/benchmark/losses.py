"""Times forward and backward of every registered loss on random logits, relative to atl in the same run.

    python -m scripts.benchmark.losses [--pairs 2000] [--relations 96] [--rounds 30] [--device cpu] [--threads 1]

The losses take turns, so that a busy machine slows all of them alike; the time of a loss is its median over the rounds.
The default is one thread, as on a busy machine such short times would mostly be threads waiting for each other.
`pemscl` is timed on the logits alone, like the other losses; `pemscl + contrastive` adds its term on the pair
representations of a BERT_base-sized model (12 groups of 64).
"""

import argparse
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from docre.core import cli
from docre.documents import LabelStatistics
from docre.losses import LOSSES, Loss, build, loss_class
from docre.tensors import ModelOutput

GROUPS, BLOCK = 12, 64


def make_labels(pairs: int, relations: int) -> Tensor:
    """Random labels [pairs, relations] like Re-DocRED's: 7% of the pairs have one or two relations."""
    labels = torch.zeros(pairs, relations, dtype=torch.bool)
    for _ in range(2):
        labels[torch.arange(pairs), torch.randint(relations, (pairs,))] = True
    return labels & (torch.rand(pairs, 1) < 0.07)


def make_losses(labels: Tensor) -> dict[str, Loss]:
    """Every registered loss with default parameters; those that depend on the training data are counted in `labels`."""
    statistics = LabelStatistics(len(labels), tuple(labels.sum(0).tolist()))
    losses = {}
    for name in LOSSES:
        parameters = loss_class(name).from_training_data(statistics)
        losses[name] = build(name, labels.shape[1], **parameters)
    losses["pemscl + contrastive"] = losses["pemscl"]
    losses["pemscl"] = build("pemscl", labels.shape[1], contrastive=0.0)
    return losses


def seconds(loss: Loss, labels: Tensor) -> float:
    """The seconds of one forward and backward pass over new random logits."""
    logits = torch.randn(len(labels), loss.num_outputs, device=labels.device).mul_(3).requires_grad_()
    head, tail = (torch.randn(len(labels), GROUPS, BLOCK, device=labels.device).requires_grad_() for _ in range(2))
    wait(labels.device)
    start = perf_counter()
    loss(ModelOutput(logits, head, tail), labels).backward()
    wait(labels.device)
    return perf_counter() - start


def wait(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(pairs: int, relations: int, rounds: int, device: str) -> dict[str, float]:
    """The median seconds of each loss. The losses take turns; two warm-up rounds are not counted."""
    labels = make_labels(pairs, relations).to(device)
    losses = {name: loss.to(device) for name, loss in make_losses(labels).items()}
    times: dict[str, list[float]] = {name: [] for name in losses}
    for _ in range(rounds + 2):
        for name, loss in losses.items():
            times[name].append(seconds(loss, labels))
    return {name: median(values[2:]) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--relations", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    times = measure(arguments.pairs, arguments.relations, arguments.rounds, arguments.device)
    print(f"{'loss':<22}{'ms':>8}{'x atl':>8}")
    for name, value in sorted(times.items(), key=lambda item: item[1]):
        print(f"{name:<22}{value * 1000:>8.2f}{value / times['atl']:>8.2f}")


if __name__ == "__main__":
    cli.run(main)
