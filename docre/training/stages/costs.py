"""Numbers about stages for people: documents in a file, durations, and sizes on disk."""

from functools import lru_cache
from pathlib import Path

from docre.data.readers import count


@lru_cache
def count_documents(path: str, reader: str) -> int | None:
    """The number of documents in a file; None if it is not there."""
    return count(path, reader) if Path(path).is_file() else None


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
