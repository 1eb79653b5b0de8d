"""Words for people."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """The number with its noun: "1 label", "2 labels", "2 entities" (with `plural` where an s is not enough)."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"
