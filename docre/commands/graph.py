"""docre graph INPUT.jsonl --output FILE: convert saved extractions to any format that docre can write."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from docre.config.options import parse_with_plugins
from docre.core.files import check_output
from docre.data.readers.records import lines
from docre.errors import prefixed
from docre.extraction import Extraction
from docre.graph import export, formats


def main(arguments: list[str]) -> None:
    """Read extractions and write them in the format that the suffix of the output names."""
    parser = argparse.ArgumentParser(
        prog="docre graph",
        description="Convert extractions, as saved in JSON lines, to another format. The suffix of the output names "
        "it: " + ", ".join(f"{suffix} ({name})" for suffix, name in sorted(formats().items())),
    )
    parser.add_argument("input", type=Path, metavar="INPUT.jsonl", help="extractions, one per line")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--join-names",
        action="store_true",
        help="make one node of all entities with the same name and type, in whatever document they are",
    )
    options = parse_with_plugins(parser, arguments)
    check_output(options.output, [options.input])
    counts = [0, 0, 0]
    export(counted(read(options.input), counts), options.output, options.join_names)
    documents, entities, triples = counts
    print(f"{options.output}: {documents:,} documents, {entities:,} entities, {triples:,} triples")


def read(path: Path) -> Iterator[Extraction]:
    """The extractions in a file. Raises DocreError that names the file, the line and the field."""
    for record in lines(path):
        text = record.text
        with prefixed(f"{path}: line {record.number}"):
            yield Extraction.from_json(text)


def counted(extractions: Iterator[Extraction], counts: list[int]) -> Iterator[Extraction]:
    """The same extractions; documents, entities and triples are added to `counts` as they pass."""
    for extraction in extractions:
        for i, number in enumerate((1, len(extraction.entities), len(extraction.triples))):
            counts[i] += number
        yield extraction
