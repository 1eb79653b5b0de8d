"""The registry of exporters. An exporter is a function that writes a file, of `(extractions, path)`; of `(graph,
path)` for a format that holds one graph of all documents, or of `(graphs, path)` if that may be written piece by piece:

    @EXPORTERS.register("name")
    @writes(".suffix")
    def write_name(extractions: Iterable[Extraction], path: Path) -> None:
"""

import importlib
from collections.abc import Callable, Iterable
from functools import update_wrapper
from pathlib import Path
from typing import Any, cast

from docre.core.files import write_atomically
from docre.core.registry import Registry
from docre.errors import DocreError
from docre.extraction import Extraction
from docre.graph.nodes import Graph, build_graph, build_graphs


class Exporter:
    """Writes extractions to a file of one format.

    suffixes: those of its files, with the dot, in lower case.
    write:    writes the file from (content, path).
    build:    makes the content, a graph or several, of (extractions, join_names); None for the extractions themselves,
              whose entities cannot be joined by name.
    """

    def __init__(
        self,
        suffixes: tuple[str, ...],
        write: Callable[[Any, Path], None],
        build: Callable[[Iterable[Extraction], bool], Any] | None = None,
    ) -> None:
        for suffix in suffixes:
            if not isinstance(suffix, str) or not suffix.startswith(".") or suffix != suffix.lower():
                raise DocreError(
                    f"{write.__qualname__}: expected suffixes such as '.ttl', in lower case, got {suffix!r}"
                )
        self.suffixes = suffixes
        self.write = write
        self.build = build
        update_wrapper(self, write)

    @property
    def joins(self) -> bool:
        """Whether entities may be joined by name."""
        return self.build is not None

    def __call__(self, extractions: Iterable[Extraction], path: Path, join_names: bool = False) -> None:
        """Write the file, completely or not at all. Raises DocreError if it cannot be written, or for `join_names`
        with a format that holds documents."""
        if join_names and not self.joins:
            raise DocreError(f"{path}: entities are joined by name only in formats that hold a graph, not documents")
        content = self.build(extractions, join_names) if self.build else extractions
        write_atomically(path, lambda temporary: self.write(content, temporary))


EXPORTERS: Registry[None] = Registry("exporter", "docre.graph", Exporter)


def writes(*suffixes: str) -> Callable[[Callable[[Iterable[Extraction], Path], None]], Exporter]:
    """Decorator that makes an Exporter of a function `(extractions, path)`."""
    return lambda write: Exporter(suffixes, write)


def writes_graph(*suffixes: str) -> Callable[[Callable[[Graph, Path], None]], Exporter]:
    """Decorator that makes an Exporter of a function `(graph, path)`."""
    return lambda write: Exporter(suffixes, write, build_graph)


def writes_graphs(*suffixes: str) -> Callable[[Callable[[Iterable[Graph], Path], None]], Exporter]:
    """Decorator that makes an Exporter of a function `(graphs, path)`: the graph of each document, one after another,
    or one of all if entities are joined by name."""
    return lambda write: Exporter(suffixes, write, build_graphs)


def formats() -> dict[str, str]:
    """The name of the format of each suffix."""
    return {suffix: name for name in EXPORTERS for suffix in cast(Exporter, EXPORTERS[name]).suffixes}


def exporter_for(path: str | Path) -> Exporter:
    """The exporter of files that end as this one does; the longest suffix counts. Raises DocreError, with a list of
    all suffixes, if there is none."""
    known = formats()
    fitting = [suffix for suffix in known if Path(path).name.lower().endswith(suffix)]
    if not fitting:
        listed = ", ".join(f"{suffix} ({name})" for suffix, name in sorted(known.items()))
        raise DocreError(f"{path}: no format has this suffix: expected one of {listed}")
    return cast(Exporter, EXPORTERS[known[max(fitting, key=len)]])


def library(name: str) -> Any:
    """The module of a library that a format needs. Raises DocreError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise DocreError(f"this format needs {name}: pip install 'docre[graph]'") from None
