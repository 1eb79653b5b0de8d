"""docre label --checkpoint DIR --input FILE --output FILE: documents whose labels are what a model predicts."""

import argparse

from docre.config.options import add_checkpoint, add_checkpoint_options
from docre.core.files import check_output
from docre.data.readers import read
from docre.data.readers.docred import write_docred


def main(arguments: list[str]) -> None:
    """Label documents with what a checkpoint predicts, and write them as DocRED JSON."""
    parser = argparse.ArgumentParser(
        prog="docre label",
        description="Label documents with the triples, and the evidence, that a checkpoint predicts (silver labels), "
        "and write them as DocRED JSON, to train another model on. Labels that they have are replaced.",
    )
    add_checkpoint(parser)
    parser.add_argument("--input", required=True, metavar="FILE", help="the documents; they need no labels")
    parser.add_argument("--output", required=True, metavar="FILE", help="the .json file to write")
    parser.add_argument("--reader", metavar="NAME", help="the format of the documents (default: the training data's)")
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)
    check_output(options.output, [options.input], [".json"])

    from docre.inference import checkpoint
    from docre.inference.labeling import label

    predictor = checkpoint.load(options.checkpoint, changes=options.changes, plugins=options.plugins)
    documents = label(predictor, read(options.input, options.reader or predictor.config.data.reader), progress=True)
    write_docred(options.output, documents)
    print(f"{options.output}: {sum(len(d.triples or ()) for d in documents)} labels of {len(documents)} documents")
