"""Memory: how much a process took at most, and keeping what is freed."""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

import torch


def peak_memory(device: torch.device) -> float:
    """The most memory taken so far, in MB: on CUDA by this process's tensors on the device, else resident memory of the
    process (0 where the system does not say)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return proc_status("VmHWM") or peak_resident_memory()


def peak_resident_memory() -> float:
    """MB by getrusage, which systems without /proc have."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def proc_status(name: str) -> float:
    """A size in /proc/self/status in MB; 0 where there is no such thing."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{name}:")), 0.0)


def keep_freed_memory() -> None:
    """Let this process keep what it frees, for its next allocation, instead of giving it back to the system: what a
    training step on a CPU frees the next one needs, and the system takes time to fill each page with zeros again.

    Without effect but under glibc (mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD).
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            for parameter in (-1, -3):
                library.mallopt(parameter, 2**31 - 1)
