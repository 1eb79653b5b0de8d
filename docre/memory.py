"""The C allocator (glibc): memory that one training step frees and the next one needs again.

By default glibc maps large tensors afresh each time and gives the free end of the heap back to the system after every
step; the page faults that follow were a fifth of a CPU training step. Keeping the memory avoids them, and releasing it
now and then (at log points, say) keeps fragments from adding up. Elsewhere than on glibc both do nothing.
"""

import ctypes
import sys
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def _glibc() -> Any:
    """The C library if it is glibc."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "gnu_get_libc_version") else None


def keep_freed_memory() -> None:
    """From now on freed memory stays with the process, ready for the next step."""
    library = _glibc()
    if library is not None:
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)


def release_freed_memory() -> None:
    """Give memory that is free now back to the system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
