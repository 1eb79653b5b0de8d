"""docre graph INPUT --output FILE: convert saved extractions to any format that docre can write."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from docre.config.options import parse_with_plugins
from docre.core.files import check_output
from docre.core.storage import folder_is_there, suffix
from docre.data.readers.records import Record, lines
from docre.errors import prefixed
from docre.extraction import Extraction
from docre.graph import export, formats


def main(arguments: list[str]) -> None:
    """Read extractions and write them in the format that the suffix of the output names."""
    parser = argparse.ArgumentParser(
        prog="docre graph",
        description="Convert extractions, which docre extract saves, to another format. The suffix of the output names "
        "it: " + ", ".join(f"{suffix} ({name})" for suffix, name in sorted(formats().items())),
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a .jsonl file of extractions, one per line; or a folder that docre extract has written, or a part of it",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--join-names",
        action="store_true",
        help="make one node of all entities with the same name and type, in whatever document they are",
    )
    options = parse_with_plugins(parser, arguments)
    files = files_of(options.input)
    check_output(options.output, files)
    counts = [0, 0, 0]
    export(counted(read(files), counts), options.output, options.join_names)
    documents, entities, triples = counts
    print(f"{options.output}: {documents:,} documents, {entities:,} entities, {triples:,} triples")


def files_of(source: str) -> list[str]:
    """A file, or the parts of a corpus in a folder. Raises DocreError as `docre.corpus.shards.parts_in` does."""
    if not folder_is_there(source):
        return [source]

    from docre.corpus.shards import parts_in

    return parts_in(source)


def read(files: Iterable[str]) -> Iterator[Extraction]:
    """The extractions in some files. Raises DocreError that names the file, the line (or row) and the field."""
    for path in files:
        kind, records = records_of(path)
        for record in records:
            text = record.text
            with prefixed(f"{path}: {kind} {record.number}"):
                yield Extraction.from_json(text)


def records_of(path: str) -> tuple[str, Iterator[Record]]:
    """What the records of a file are, and these as JSON: the rows of a Parquet file, the lines of any other. Raises
    DocreError if it cannot be read."""
    if suffix(path) != ".parquet":
        return "line", lines(path)

    from docre.corpus.units import rows

    return "row", rows(path)


def counted(extractions: Iterable[Extraction], counts: list[int]) -> Iterator[Extraction]:
    """The same extractions; documents, entities and triples are added to `counts` as they pass."""
    for extraction in extractions:
        for i, number in enumerate((1, len(extraction.entities), len(extraction.triples))):
            counts[i] += number
        yield extraction
