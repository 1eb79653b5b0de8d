"""Numbers about stages for people: documents in a file, durations, and sizes on disk."""

from functools import lru_cache
from pathlib import Path

from docre.data.readers import count


def count_documents(path: str, reader: str) -> int | None:
    """The number of documents in a file; None if it is not there."""
    file = Path(path).resolve()
    if not file.is_file():
        return None
    found = file.stat()
    return _count(file, reader, found.st_size, found.st_mtime_ns)


@lru_cache
def _count(path: Path, reader: str, size: int, modified: int) -> int:
    """Computed once for each version of a file, since several stages may read a large one."""
    return count(path, reader)


def duration(seconds: float) -> str:
    """Seconds for people: "3 h 20 min", "12 min", "40 s"."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60:,} h {minutes % 60} min"


def size(number: float) -> str:
    """Bytes for people: "41.3 GB", "850.0 kB"."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"
