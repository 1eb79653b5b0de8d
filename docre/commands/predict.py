"""docre predict --checkpoint DIR --input FILE --output result.json: predict the triples of documents."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from docre.config.options import add_calibration, add_checkpoint_options, add_checkpoints
from docre.core.files import check_output, write_text
from docre.corpus.columns import FIELDS
from docre.corpus.options import add_corpus_options, is_folder, predict_into_folder
from docre.data.readers import read
from docre.documents import Prediction, check_titles
from docre.errors import DocreError
from docre.evaluation import write_submission


def main(arguments: list[str]) -> None:
    """Predict the triples of a file of documents, which need no labels, and write them to a file."""
    parser = argparse.ArgumentParser(
        prog="docre predict", description="Predict the triples of documents and write them to a file."
    )
    add_checkpoints(parser)
    parser.add_argument(
        "--input",
        required=True,
        action="append",
        metavar="FILE",
        help="the documents. With a folder as --output: files, folders or patterns such as 'corpus/*.jsonl.gz', here "
        "or at an address (s3://...), also .parquet, .gz and .zst; may be repeated",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="result.json, or result.zip for a leaderboard; or result.jsonl: a JSON object per line, which also has "
        "names, types, score and margin; or a folder (out/) for a corpus",
    )
    add_calibration(parser)
    parser.add_argument("--reader", metavar="NAME", help="the format of the documents (default: the training data's)")
    add_corpus_options(parser)
    parser.add_argument(
        "--fields",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAME,...",
        help="with a folder: what is written of a triple besides head, tail and relation: names, confidence, evidence",
    )
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)
    if is_folder(options):
        check_fields(options.fields)
        contents = {"text": False, "reader": options.reader, "fields": options.fields}
        predict_into_folder(options, options.changes, options.input, contents)
        return
    if options.fields:
        raise DocreError("--fields: needs a folder as --output, such as out/")
    if len(options.input) > 1:
        raise DocreError("--input: several inputs need a folder as --output, such as out/")
    check_output(options.output, [options.input[0], options.dev, options.calibration], [".json", ".zip", ".jsonl"])

    from docre.inference.calibration import load_calibrated

    predictor = load_calibrated(
        options.checkpoint, options.changes, options.plugins, options.calibration, options.force, options.dev
    )
    documents = read(options.input[0], options.reader or predictor.config.data.reader)
    as_lines = Path(options.output).suffix.lower() == ".jsonl"
    if not as_lines:
        check_titles(documents, options.input[0])
    predictions = predictor.predict(documents, progress=True)
    if as_lines:
        write_lines(options.output, predictions)
    else:
        write_submission(options.output, chain.from_iterable(predictions))
    print(f"{options.output}: {sum(map(len, predictions))} triples of {len(documents)} documents")


def check_fields(fields: Sequence[str]) -> None:
    """Raises DocreError for an unknown field."""
    for name in fields:
        if name not in FIELDS:
            raise DocreError(f"--fields: expected some of {', '.join(FIELDS)}, got {name!r}")


def write_lines(path: str | Path, predictions: Sequence[Sequence[Prediction]]) -> None:
    """Write the predictions of each document as JSON lines: the fields of Prediction, and the index of the document in
    the input, which distinguishes documents with the same title."""
    lines = (
        json.dumps({"title": p.title, "document": i} | asdict(p), ensure_ascii=False)
        for i, triples in enumerate(predictions)
        for p in triples
    )
    write_text(path, "".join(f"{line}\n" for line in lines))
