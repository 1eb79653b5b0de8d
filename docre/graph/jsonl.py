"""JSON lines: everything in an extraction."""

from collections.abc import Iterable
from pathlib import Path

from docre.extraction import Extraction
from docre.graph.base import EXPORTERS, writes
from docre.graph.nodes import to_json


@EXPORTERS.register("jsonl")
@writes(".jsonl")
def write_jsonl(extractions: Iterable[Extraction], path: Path) -> None:
    """One extraction per line, which `Extraction.from_json` reads again: nothing is lost."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for extraction in extractions:
            file.write(to_json(extraction.to_json()) + "\n")
