"""Writes what was extracted from texts to files that other programs read: one format per file, found by its suffix."""

from collections.abc import Iterable
from pathlib import Path

from docre.extraction import Extraction
from docre.graph.base import EXPORTERS, Exporter, exporter_for, formats

__all__ = ["EXPORTERS", "Exporter", "export", "exporter_for", "formats"]


def export(extractions: Iterable[Extraction], path: str | Path, join_names: bool = False) -> None:
    """Write extractions to a file, in the format that its suffix names. The file is written completely or not at all.

    join_names: make one node of all entities that have the same name and type, in whatever document they are. Only
                for formats that hold a graph.

    Raises DocreError for a suffix that no format has, for `join_names` with a format that holds documents, and if the
    file cannot be written.
    """
    exporter_for(path)(extractions, Path(path), join_names)
