"""docre label --checkpoint DIR --input FILE --output FILE: documents whose labels are what a model predicts."""

import argparse

from docre.config.options import add_checkpoint, add_checkpoint_options
from docre.core.files import check_output
from docre.core.location import find_checkpoint
from docre.core.manifests import MANIFEST, digest


def main(arguments: list[str]) -> None:
    """Label documents with what a checkpoint predicts, and write them as DocRED JSON."""
    parser = argparse.ArgumentParser(
        prog="docre label",
        description="Label documents with the triples, and the evidence, that a checkpoint predicts (silver labels), "
        "and write them as DocRED JSON, to train another model on. Labels that they have are replaced. "
        "Given again, an interrupted command goes on where it stopped.",
    )
    add_checkpoint(parser)
    parser.add_argument("--input", required=True, metavar="FILE", help="the documents; they need no labels")
    parser.add_argument("--output", required=True, metavar="FILE", help="the .json file to write")
    parser.add_argument("--reader", metavar="NAME", help="the format of the documents (default: the training data's)")
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)
    check_output(options.output, [options.input], [".json"])

    from docre.inference import checkpoint
    from docre.inference.labeling import write_labels

    predictor = checkpoint.load(options.checkpoint, changes=options.changes, plugins=options.plugins)
    reader = options.reader or predictor.config.data.reader
    origin = {"checkpoint": digest(find_checkpoint(options.checkpoint) / MANIFEST), "changes": options.changes}
    documents, labels = write_labels(predictor, options.input, options.output, reader, origin)
    print(f"{options.output}: {labels} labels of {documents} documents")
