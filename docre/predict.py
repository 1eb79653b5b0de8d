"""python -m docre.predict --checkpoint DIR --input DOCS --output result.json: triples of documents, labelled or not."""

import argparse
from itertools import chain

from docre import cli
from docre.calibrate import apply
from docre.data import read
from docre.evaluation import write_submission


def main(arguments: list[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m docre.predict", description="Predict the triples of documents and write a submission file."
    )
    parser.add_argument("--checkpoint", required=True, metavar="DIR", help="a checkpoint, or the folder of a run")
    parser.add_argument("--input", required=True, metavar="DOCS", help="the documents")
    parser.add_argument("--output", required=True, metavar="FILE", help="result.json, or result.zip for a leaderboard")
    cli.add_calibration(parser)
    parser.add_argument("--reader", metavar="NAME", help="the format of the documents (default: the training data's)")
    cli.add_changes(parser)
    options = parser.parse_args(arguments)

    from docre.checkpoint import load  # after the arguments are known to be right: torch takes seconds to import

    predictor = load(options.checkpoint, changes=options.changes, plugins=options.plugins)
    if options.calibration:
        apply(predictor, options.calibration, options.force)
    documents = read(options.input, options.reader or predictor.config.data.reader)
    predictions = list(chain.from_iterable(predictor.predict(documents, progress=True)))
    write_submission(options.output, predictions)
    print(f"{options.output}: {len(predictions)} triples of {len(documents)} documents")


if __name__ == "__main__":
    cli.run(main)
