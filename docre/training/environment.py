"""The environment of a run, which its numbers depend on too: package versions, the device, the launcher."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from docre.version import VERSION


def versions() -> dict[str, str]:
    """The versions of the packages that results depend on, by name."""
    return {"docre": VERSION} | {name: version(name) for name in ("torch", "transformers", "accelerate")}


def device_name(device: torch.device) -> str:
    """The device for people to read: the GPU, or the processor and its number of threads."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {processor_name()}, {torch.get_num_threads()} threads"


def processor_name() -> str:
    """The name of the processor as the operating system gives it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def launch_warnings(processes: int) -> list[str]:
    """A warning if `accelerate launch --num_processes N` started a single process, as it does without --multi_gpu on a
    machine without GPUs. It is recognized by the environment variables: a port for several processes, but no rank."""
    multiple_requested = (
        "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ and "RANK" not in os.environ
    )
    if not multiple_requested or processes > 1:
        return []
    return [
        "accelerate launch was asked for several processes, but started one, as it does on a machine without GPUs: "
        "add --multi_gpu, which works there too"
    ]
