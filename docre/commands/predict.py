"""docre predict --checkpoint DIR --input DOCS --output result.json: triples of documents, labeled or not."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from docre.config.options import add_calibration, add_checkpoint_options
from docre.core.files import write_text
from docre.data.readers import read
from docre.documents import Prediction, check_titles
from docre.evaluation import write_submission


def main(arguments: list[str]) -> None:
    """Predict the triples of a file of documents and write them."""
    parser = argparse.ArgumentParser(
        prog="docre predict", description="Predict the triples of documents and write them to a file."
    )
    parser.add_argument("--checkpoint", required=True, metavar="DIR", help="a checkpoint, or the folder of a run")
    parser.add_argument("--input", required=True, metavar="DOCS", help="the documents")
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="result.json, or result.zip for a leaderboard; result.jsonl has names, types, scores and margins too, one "
        "JSON object a line",
    )
    add_calibration(parser)
    parser.add_argument("--reader", metavar="NAME", help="the format of the documents (default: the training data's)")
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)

    from docre.inference.calibration import apply_calibration
    from docre.inference.checkpoint import load

    predictor = load(options.checkpoint, changes=options.changes, plugins=options.plugins)
    if options.calibration:
        apply_calibration(predictor, options.calibration, options.force)
    documents = read(options.input, options.reader or predictor.config.data.reader)
    as_lines = Path(options.output).suffix.lower() == ".jsonl"
    if not as_lines:
        check_titles(documents, options.input)
    found = predictor.predict(documents, progress=True)
    if as_lines:
        write_lines(options.output, found)
    else:
        write_submission(options.output, chain.from_iterable(found))
    print(f"{options.output}: {sum(map(len, found))} triples of {len(documents)} documents")


def write_lines(path: str | Path, found: Sequence[Sequence[Prediction]]) -> None:
    """Write the predictions of each document as JSON lines: all that a Prediction has, and the position of its document
    in the input, which tells two of one title apart."""
    lines = (
        json.dumps({"title": p.title, "document": i} | asdict(p), ensure_ascii=False)
        for i, some in enumerate(found)
        for p in some
    )
    write_text(path, "".join(f"{line}\n" for line in lines))
