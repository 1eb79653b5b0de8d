"""Memory of the process: measuring its peak, keeping freed memory for reuse, and what PyTorch keeps for bf16."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

import torch

FEW_PRODUCTS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16", "LRU_CACHE_CAPACITY": "16"}


def peak_memory(device: torch.device) -> float:
    """Peak memory so far, or since `reset_peak_memory`, in MiB: on CUDA that of this process's tensors on the device,
    otherwise the process's resident memory (0 if the system does not report it)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return proc_status("VmHWM") or peak_resident_memory()


def reset_peak_memory(device: torch.device) -> None:
    """Measure the peak anew from here on, for the next of several runs in one process (resident memory: Linux only)."""
    if device.type == "cuda" and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM to what is resident now


def peak_resident_memory() -> float:
    """Peak resident memory in MiB, from getrusage, which systems without /proc have too; 0 on Windows."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def proc_status(name: str) -> float:
    """A size in /proc/self/status ("VmRSS", say) in MiB; 0 if there is no such file or entry."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{name}:")), 0.0)


def keep_freed_memory() -> None:
    """Make the C allocator keep freed memory for later allocations instead of returning it to the system.

    On a CPU each training step needs the memory that the last one freed, and the system spends time on zeroing every
    page that it hands out anew. Works with glibc only (mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD); elsewhere this
    does nothing.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            for parameter in (-1, -3):
                library.mallopt(parameter, 2**31 - 1)


def keep_few_products() -> None:
    """Make PyTorch and oneDNN keep what they prepare for 16 shapes of a product on a CPU, instead of 1,024.

    Shapes are ever new here, as documents differ in length, so that what is kept for a shape is rarely needed again. In
    training with MiniLM in bf16 it took as much memory as all the rest, and looking after it took a tenth of the time.
    Has an effect before the first such product of the process, and not against what the environment says.
    """
    for name, count in FEW_PRODUCTS.items():
        os.environ.setdefault(name, count)
