"""What the numbers of a run depend on beside its config: versions, the device, how it was launched."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch


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
