"""What a run says of itself: the lines on the console, the numbers in the log, what they depend on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from docre.evaluation import Scores


def brief(scores: Scores) -> dict[str, Any]:
    """The four numbers that matter."""
    return {"p": scores.p, "r": scores.r, "f1": scores.f1, "ign_f1": scores.ign_f1}


def epoch_line(result: dict[str, Any], epochs: int) -> str:
    """One epoch for the console."""
    line = f"epoch {result['epoch']}/{epochs}  loss {result['loss']:.4f}"
    if "f1" in result:
        names = {"p": "P", "r": "R", "f1": "F1", "ign_f1": "Ign-F1"}
        line += "  dev" + "".join(f"  {name} {100 * result[key]:.2f}" for key, name in names.items())
    return line


def versions() -> dict[str, str]:
    """The packages that a number depends on."""
    return {name: version(name) for name in ("docre", "torch", "transformers", "accelerate")}


def device_name(device: torch.device) -> str:
    """What the run computes on."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {processor()}, {torch.get_num_threads()} threads"


def processor() -> str:
    """What the system calls its processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def launch_warnings(processes: int) -> list[str]:
    """`accelerate launch --num_processes N` without --multi_gpu starts one process where there is no GPU, and leaves
    nothing but a port for the others to meet at."""
    asked = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ and "RANK" not in os.environ
    if not asked or processes > 1:
        return []
    return [
        "accelerate launch was asked for several processes, but started one, as it does on a machine without GPUs: "
        "add --multi_gpu, which works there too"
    ]
