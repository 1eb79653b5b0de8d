"""What a file looks like that cannot be read as what it should be: a hint in the error, never a way to choose."""

import re
from pathlib import Path

PREDICTIONS, FACTS = "predictions", "training facts"  # what else than documents a file may hold
SAMPLE_SIZE = 2**16  # bytes
LIST, LINES, SPREAD = "one JSON list", "one document a line", "a document on several lines"
LAYOUTS = {"docred": LIST, "jsonl": LINES, "cdr": LINES, "gda": LINES}  # of the readers that are recognized
PAIR = re.compile(r"[^\t\n]+\t[^\t\n]*\t(?:1:\w+:2|not_include)\t")  # the first columns of CDR and GDA
FACT = re.compile(r'\[\s*\[\s*"')


def hint(path: str | Path, expected: str) -> str:
    """What the start of a file looks like, to be put behind the error of reading it; "" where it looks like what was
    expected, or like nothing that docre knows.

    expected: PREDICTIONS, FACTS, or the reader of documents that failed.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(SAMPLE_SIZE) if file.seekable() else b""
    except OSError:
        return ""
    found, layout = recognize(start.decode("utf-8-sig", "replace").lstrip())
    if not found or (found == expected.replace("docgnre", "docred") and layout == LAYOUTS.get(found, layout)):
        return ""
    if found not in LAYOUTS or expected in (PREDICTIONS, FACTS):
        other = expected if expected in (PREDICTIONS, FACTS) else "documents"
        return f" (it looks like {'documents' if found in LAYOUTS else found}, not {other})"
    if layout != LAYOUTS[found]:
        return f" (it looks like {found}'s documents, but {layout}; the reader {found} wants {LAYOUTS[found]})"
    return f" (it looks like {found}'s documents: use --reader {found}, or data.reader={found} in a config)"


def recognize(start: str) -> tuple[str | None, str]:
    """What a file that begins with `start` holds (a reader's documents, PREDICTIONS, FACTS; None where that is unknown)
    and how it is laid out."""
    if PAIR.match(start):
        return "gda" if "\tGene\t" in start else "cdr", LINES
    if start.startswith("PK\x03\x04"):
        return "a zip archive", ""
    first, *more = start.split("\n", 1)
    layout = LIST if start.startswith("[") else LINES if first.rstrip().endswith("}") or not more else SPREAD
    keys = set(re.findall(r'"(\w+)"\s*:', start)) if start.startswith(("[", "{")) else set()
    if {"h_idx", "t_idx"} <= keys:
        return PREDICTIONS, layout
    if {"vertexSet", "sents"} & keys:
        return "docred", layout
    if {"text", "entities"} <= keys:
        return "jsonl", layout
    return (FACTS if FACT.match(start) else None), layout
