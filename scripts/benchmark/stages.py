"""Time, memory and FLOPs of the stages of a training step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from docre.models.products import ONEDNN_LINEAR

STAGES = ("features", "collate", "encoder", "pooling", "classifier", "loss", "optimizer")
Sums = tuple[dict[str, float], dict[str, float]]  # the sum of each stage, and the peak of each stage


class Laps:
    """A stopwatch: sums by stage how much a reading grows, and keeps the largest peak within each stage.

    reading: the current value, for example seconds or FLOPs.
    peak:    the largest value, for example MB, since it was called last.
    """

    def __init__(self, reading: Callable[[], float], peak: Callable[[], float] = lambda: 0.0) -> None:
        self.reading = reading
        self.peak = peak
        self.sums: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self.peak()
        self.mark = reading()

    def __call__(self, stage: str) -> None:
        """End a lap: the work since the last call belongs to this stage."""
        self.sums[stage] = self.sums.get(stage, 0.0) + self.reading() - self.mark
        self.peaks[stage] = max(self.peaks.get(stage, 0.0), self.peak())
        self.mark = self.reading()

    @property
    def result(self) -> Sums:
        """The sums and peaks by stage."""
        return self.sums, self.peaks


def onednn_flops(a: torch.Size, b: torch.Size, *others: Any, **more: Any) -> int:
    """FLOPs of a b^T."""
    return 2 * a[0] * a[1] * b[0]


def attention_flops(query: torch.Size, key: torch.Size, value: torch.Size, *others: Any, **more: Any) -> int:
    """FLOPs of softmax(q k^T) v, of [batch, heads, length, size] each."""
    return 2 * query[:3].numel() * key[2] * (query[3] + value[3])


def counting() -> FlopCounterMode:
    """A counter of the FLOPs of matrix products, including operations that torch's own counter leaves out."""
    more: dict[Any, Any] = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_flops}
    if ONEDNN_LINEAR is not None:
        more[ONEDNN_LINEAR] = onednn_flops
    return FlopCounterMode(display=False, custom_mapping=more)


def combine(
    laps: Mapping[str, Sequence[Sums]], flops: Sequence[Sums], documents: int, speed: float
) -> dict[str, dict[str, float]]:
    """For each stage: the seconds per document and the peak MB ("<side>_megabytes") of each side, and the time that the
    matrix products of the fast path need at `speed` FLOP/s ("floor").

    laps:  for each side, by its name, those of each batch.
    flops: for each batch the FLOPs of the fast path.
    """

    def total(batches: Sequence[Sums], stage: str) -> float:
        return sum(sums.get(stage, 0.0) for sums, _ in batches) / documents

    def peak(batches: Sequence[Sums], stage: str) -> float:
        return max(peaks.get(stage, 0.0) for _, peaks in batches)

    return {
        stage: {
            **{side: total(batches, stage) for side, batches in laps.items()},
            "floor": total(flops, stage) / speed,
            **{f"{side}_megabytes": peak(batches, stage) for side, batches in laps.items()},
        }
        for stage in STAGES
    }


def stage_table(stages: dict[str, Any]) -> str:
    """A text table with one line for each stage."""
    titles = ("reference", "same alloc", "fast", "ratio", "to same", "floor")
    lines = [f"{'':12}" + "".join(f"{title:>11}" for title in titles) + "   peak MB (ms a document)"]
    for stage, s in stages.items():
        ms = {name: f"{1000 * s[name]:11.2f}" for name in ("reference", "same_allocator", "fast", "floor")}
        ratios = [f"{s[side] / s['fast']:11.2f}" if s[side] else f"{'':11}" for side in ("reference", "same_allocator")]
        memory = " / ".join(f"{s[f'{side}_megabytes']:.0f}" for side in ("reference", "same_allocator"))
        columns = [ms["reference"], ms["same_allocator"], ms["fast"], *ratios, ms["floor"]]
        lines.append(f"{stage:12}{''.join(columns)}   {memory} -> {s['fast_megabytes']:.0f}")
    return "\n".join(lines)
