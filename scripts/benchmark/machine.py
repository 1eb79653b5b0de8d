"""What the measured times depend on besides the code: the machine, its caches, other load, and the C allocator."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from docre.training.environment import processor_name

PROBE = 64 * 2**20  # bytes; by default glibc maps blocks of more than 32 MiB (M_MMAP_THRESHOLD in mallopt(3))


def describe_machine() -> dict[str, Any]:
    """The processor, its number of cores, its caches, and the mean number of running processes of the last minute, to
    which every other job on the machine adds one or more."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"processor": processor_name(), "cores": os.cpu_count(), "caches": caches(), "load_before": load}


def caches(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> dict[str, str]:
    """The size of each data cache of the first core, and which cores share it: {"L2": "512K of cores 0"}. Linux only;
    empty elsewhere."""
    found = {}
    for cache in sorted(folder.glob("index*")):
        level, kind, size, cores = (
            (cache / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
        )
        if kind != "Instruction":
            found[f"L{level}"] = f"{size} of cores {cores}"
    return found


class _Mallinfo2(ctypes.Structure):
    """struct mallinfo2 of mallinfo(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def keeps_freed_memory() -> bool | None:
    """Whether the C allocator of this process keeps large freed blocks for later allocations: False as glibc is by
    default, True after `docre.core.memory.keep_freed_memory`. None if the allocator is not glibc's (2.33 or later).

    It takes a block and looks whether the number of bytes grew that are mapped for single blocks: these are given back
    to the system once they are freed, and mapped and zeroed anew for the next allocation.
    """
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _Mallinfo2
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    before = library.mallinfo2().hblkhd
    block = library.malloc(PROBE)
    mapped: int = library.mallinfo2().hblkhd - before
    library.free(block)
    return mapped < PROBE
