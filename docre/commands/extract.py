"""docre extract --checkpoint DIR TEXT: find entities and triples in plain text."""

import argparse
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from docre.config.loading import import_plugins
from docre.config.options import (
    add_calibration,
    add_checkpoint_options,
    add_checkpoints,
    add_min_confidence,
    add_tagger,
    tagger_changes,
)
from docre.core.files import check_output, decode
from docre.core.storage import suffix
from docre.corpus.options import add_corpus_options, is_folder, predict_into_folder
from docre.documents import Document
from docre.errors import DocreError, DocreWarning
from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Provenance, describe_apart
from docre.graph import export
from docre.graph.base import exporter_for
from docre.version import VERSION

if TYPE_CHECKING:
    from docre.inference.extract import Text

Place = tuple[str, int | None]


def main(arguments: list[str]) -> None:
    """Find the entities and triples of plain texts, and print them or write them to a file."""
    parser = argparse.ArgumentParser(
        prog="docre extract", description="Find entities, and the relations between them, in plain text."
    )
    add_checkpoints(parser)
    add_tagger(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="a file, whose suffix names its format, as for docre graph; or a folder (out/) for a corpus",
    )
    add_min_confidence(parser)
    add_calibration(parser)
    parser.add_argument(
        "text",
        metavar="TEXT",
        help="a text; a .txt file; a folder of .txt files; a .jsonl file of objects with 'text', and perhaps 'title' "
        "and 'entities'; or - for standard input",
    )
    add_corpus_options(parser)
    add_checkpoint_options(parser)
    options = parser.parse_intermixed_args(arguments)
    import_plugins(options.plugins, "--plugins")  # which may register the format of the output
    if is_folder(options):
        contents = {"text": True, "min_confidence": options.min_confidence}
        predict_into_folder(options, tagger_changes(options), [options.text], contents)
        return
    if options.output:
        exporter_for(options.output)  # fails for an unknown suffix before anything is computed
        read = options.text if os.path.isfile(options.text) else None
        check_output(options.output, [read, options.dev, options.calibration])
    read = read_texts(options.text)
    texts = [text for text, _ in read]

    from docre.inference.calibration import check_probabilities, load_calibrated
    from docre.inference.extract import extract, tagger_name

    changes = tagger_changes(options)
    predictor = load_calibrated(
        options.checkpoint, changes, options.plugins, options.calibration, options.force, options.dev
    )
    if options.min_confidence is not None:
        check_probabilities(predictor, options.checkpoint[0])
    found = extract(predictor, texts, progress=len(texts) > 1)
    if apart := sum(extraction.pairs_apart for extraction in found):
        pairs = sum(len(e.entities) * (len(e.entities) - 1) for e in found)
        warnings.warn(describe_apart(apart, pairs), DocreWarning, stacklevel=2)
    if options.min_confidence is not None:
        found = [extraction.surer(options.min_confidence) for extraction in found]
    if not options.output:
        print("\n".join(describe(extraction) for extraction in found))
        return
    checkpoints, weights = tuple(options.checkpoint), predictor.weights_digest
    for i, (text, (source, line)) in enumerate(read):
        tagger = None if isinstance(text, Document) else tagger_name(predictor)
        origin = Provenance(source, line, checkpoints, weights, tagger, VERSION)
        found[i] = replace(found[i], provenance=origin)
    export(found, options.output)
    print(f"{options.output}: {sum(len(e.triples) for e in found)} triples of {len(found)} texts")


def read_texts(source: str) -> list[tuple["Text", Place]]:
    """The texts that the command's argument stands for, each with the place that it comes from (see Provenance). Raises
    DocreError that names the file."""
    if not source.strip():
        raise DocreError("empty text")
    path = Path(source)
    if source == "-":
        return [(("standard input", decode(sys.stdin.buffer.read(), "standard input")), ("-", None))]
    if is_there(path) and path.is_dir():
        files = sorted(path.glob("*.txt"))
        if not files:
            raise DocreError(f"{path}: no .txt files in this folder")
    elif is_there(path) or (suffix(path) in (".txt", ".jsonl") and " " not in source):
        files = [path]
    else:
        return [(("text", source), ("text", None))]

    from docre.inference.texts import text_in, texts

    try:
        found = [(text_in(record), (str(file), record.number or None)) for file in files for record in texts(file)]
    except DocreError as error:
        aside = " (a folder as --output, such as out/, gets the others)" if path.is_dir() else ""
        raise DocreError(f"{error}{aside}") from None
    if not found:
        raise DocreError(f"{path}: no texts")
    return found


def is_there(path: Path) -> bool:
    """Whether this is a file or a folder. A text is not: it may be too long for a file name."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def describe(extraction: Extraction) -> str:
    """What was found in a text, for people to read: a line that counts it, and a line for each triple."""
    counts = f"{len(extraction.entities)} entities, {len(extraction.triples)} triples"
    return "\n".join([f"{extraction.title}: {counts}", *(line_of(t, extraction) for t in extraction.triples)])


def with_type(entity: ExtractedEntity) -> str:
    """The name of an entity, with its type if it is known."""
    return f"{entity.name} ({entity.type})" if entity.type else entity.name


def line_of(triple: ExtractedTriple, extraction: Extraction) -> str:
    """A triple with the types and characters of its entities, and its confidence, or else its margin."""
    head, tail = (with_type(extraction.entities[e]) for e in (triple.head, triple.tail))
    places = " ".join(f"[{m.start}, {m.end}]" for m in (triple.head_mention, triple.tail_mention))
    sure = f"margin {triple.margin:.2f}" if triple.confidence is None else f"confidence {triple.confidence:.2f}"
    return f"  {head} -- {triple.relation_name} -> {tail}  ({sure}, characters {places})"
