"""Hints for the error about a file that could not be read: where a missing file may come from, or which format the file
seems to have.

A reader is never chosen by such a guess.
"""

import difflib
import re
from pathlib import Path

PREDICTIONS, FACTS = "predictions", "training facts"  # contents other than documents
SAMPLE_SIZE = 2**16  # bytes that are looked at, from the start of the file
LIST, LINES, MULTILINE = "one JSON list", "one document per line", "a document on several lines"
# the layout that each reader expects
LAYOUTS = dict.fromkeys(("docred", "label_studio"), LIST) | dict.fromkeys(("jsonl", "doccano", "cdr", "gda"), LINES)
LAYOUTS |= dict.fromkeys(("pubtator", "bioc_xml", "bioc_json"), "")  # their own
PUBTATOR = re.compile(r"[^|\t\n]+\|t\|")  # the first line
PAIR = re.compile(r"[^\t\n]+\t[^\t\n]*\t(?:1:\w+:2|not_include)\t")  # the first columns of CDR and GDA
BENCHMARKS = (
    "biored",
    "cdr",
    "docgnre",
    "docred",
    "docred_distant",
    "dwie",
    "gda",
    "redocred",
)  # what `docre download` knows
SAME = {"docgnre": "docred", "dwie": "docred"}  # readers whose files look like those of another one
FACT = re.compile(r'\[\s*\[\s*"')


def hint(path: str | Path, expected: str) -> str:
    """A hint to append to a read error: where the file may come from if it is missing, or else which format it seems to
    have, from its first SAMPLE_SIZE bytes.

    It begins with a space. It is "" if the file seems to have the expected format or one that docre does not know.
    expected: PREDICTIONS, FACTS, or the name of the reader that failed.
    """
    try:
        with Path(path).open("rb") as file:
            sample = file.read(SAMPLE_SIZE) if file.seekable() else b""
    except FileNotFoundError:
        return missing_hint(Path(path))
    except OSError:
        return ""
    content, layout = recognize(sample.decode("utf-8-sig", "replace").lstrip())
    if not content or (content == SAME.get(expected, expected) and layout == LAYOUTS.get(content, layout)):
        return ""
    if content not in LAYOUTS or expected in (PREDICTIONS, FACTS):
        wanted = expected if expected in (PREDICTIONS, FACTS) else "documents"
        return f" (it looks like {'documents' if content in LAYOUTS else content}, not {wanted})"
    if layout != LAYOUTS[content]:
        return f" (it looks like {content} documents, but {layout}; the reader {content} expects {LAYOUTS[content]})"
    return f" (it looks like {content} documents: use --reader {content}, or data.reader={content} in a config)"


def reader_hint(path: str | Path, reader: str) -> str:
    """A hint, as `hint` gives, which reader is the right one for documents that `reader` could not read, whatever the
    layout. It is "" if that is not known."""
    try:
        with Path(path).open("rb") as file:
            sample = file.read(SAMPLE_SIZE)
    except OSError:
        return ""
    content, _ = recognize(sample.decode("utf-8-sig", "replace").lstrip())
    if content not in LAYOUTS or content == SAME.get(reader, reader):
        return ""
    return f" (it looks like {content} documents: use --reader {content})"


def missing_hint(path: Path) -> str:
    """Which command makes a file that does not exist, or which file of its folder has a similar name."""
    if path.parent.parts[-2:] == ("data", "synthetic"):
        return " (docre synthetic makes it)"
    if path.parent.parts[-2:-1] == ("data",) and path.parent.name in BENCHMARKS:
        return f" (docre download {path.parent.name} gets it)"
    others = {other.stem: other for other in path.parent.iterdir()} if path.parent.is_dir() else {}
    close = difflib.get_close_matches(path.stem, others, 1, 0.7)
    return f" (did you mean {others[close[0]]}?)" if close else ""


def recognize(start: str) -> tuple[str | None, str]:
    """The content and the layout of a file that begins with `start`.

    content: the name of the reader for its documents, PREDICTIONS, FACTS or "a zip archive"; None if unknown.
    layout:  LIST, LINES or MULTILINE; "" for a zip archive and formats with a layout of their own.
    """
    if PAIR.match(start):
        return "gda" if "\tGene\t" in start else "cdr", LINES
    if PUBTATOR.match(start):
        return "pubtator", ""
    if start.startswith("<") and "<collection" in start:
        return "bioc_xml", ""
    if start.startswith("PK\x03\x04"):
        return "a zip archive", ""
    first_line, *rest = start.split("\n", 1)
    layout = LIST if start.startswith("[") else LINES if first_line.rstrip().endswith("}") or not rest else MULTILINE
    keys = set(re.findall(r'"(\w+)"\s*:', start)) if start.startswith(("[", "{")) else set()
    if {"h_idx", "t_idx"} <= keys:
        return PREDICTIONS, layout
    if start.startswith("{") and {"documents", "passages"} <= keys:
        return "bioc_json", ""
    if {"vertexSet", "sents"} & keys:
        return "docred", layout
    if "data" in keys and {"annotations", "predictions"} & keys:
        return "label_studio", layout
    if {"text", "start_offset"} <= keys:
        return "doccano", layout
    if {"text", "entities"} <= keys:
        return "jsonl", layout
    return (FACTS if FACT.match(start) else None), layout
