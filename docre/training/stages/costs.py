"""Numbers about stages for people: documents in a file, and durations."""

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
