"""docre targets --checkpoint DIR --data FILE --output DIR --targets logits,attention: write a teacher's targets."""

import argparse

from docre.config.options import add_checkpoint, add_checkpoint_options


def main(arguments: list[str]) -> None:
    """Write a teacher's logits or attention for documents, as targets for training a student on them."""
    parser = argparse.ArgumentParser(
        prog="docre targets",
        description="Write a checkpoint's logits or attention for all pairs of documents, as targets for training "
        "another model on these documents (data.targets in its config). The same command continues after an "
        "interruption.",
    )
    add_checkpoint(parser, "the teacher: a checkpoint, or a run")
    parser.add_argument("--data", required=True, metavar="FILE", help="the documents; they need no labels")
    parser.add_argument("--output", required=True, metavar="DIR", help="the folder for the targets")
    parser.add_argument(
        "--targets",
        required=True,
        type=lambda text: text.split(","),
        metavar="NAME,...",
        help="logits, attention, or auxiliaries of the model",
    )
    parser.add_argument("--reader", metavar="NAME", help="the format of the documents (default: the training data's)")
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)

    from docre.inference import checkpoint
    from docre.inference.targets import write_targets

    predictor = checkpoint.load(options.checkpoint, changes=options.changes, plugins=options.plugins)
    documents = write_targets(predictor, options.data, options.output, options.targets, options.reader)
    print(f"{options.output}: {', '.join(options.targets)} of {documents} documents")
