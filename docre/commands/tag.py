"""docre tag --checkpoint DIR --data FILE --output FILE: documents with predicted entities and gold labels."""

import argparse
from pathlib import Path

from docre.config.options import add_checkpoint, add_checkpoint_options, add_tagger, tagger_changes
from docre.core.files import check_output
from docre.core.words import counted
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.documents import check_titles
from docre.errors import DocreError, prefixed


def main(arguments: list[str]) -> None:
    """Find the entities of labeled documents in their plain text, and give what was found the gold labels."""
    parser = argparse.ArgumentParser(
        prog="docre tag",
        description="Find the entities of labeled documents anew, in their plain text, and write DocRED JSON with "
        "these entities and the labels of the gold ones. data.tagged in a config trains on them too.",
    )
    add_checkpoint(parser, "whose tagger finds the entities")
    parser.add_argument("--data", required=True, type=Path, metavar="FILE", help="documents with labels")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--similarity",
        type=float,
        default=0.5,
        metavar="D",
        help="a found entity has the labels of the gold one that is most similar to it (Dice), if it is at least that "
        "similar; 1: only if all mentions are the same (%(default)s)",
    )
    parser.add_argument("--reader", metavar="NAME", help="the format of --data (default: the training data's)")
    add_tagger(parser)
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)
    if not 0 < options.similarity <= 1:
        raise DocreError(f"--similarity: expected a fraction above 0 and at most 1, got {options.similarity:g}")
    check_output(options.output, [options.data], [".json"])

    from docre.evaluation.end_to_end.mapping import with_gold_labels
    from docre.inference.checkpoint import load
    from docre.inference.extract import require_tagger

    predictor = load(options.checkpoint, changes=tagger_changes(options), plugins=options.plugins)
    tagger = require_tagger(predictor)
    gold = read(options.data, options.reader or predictor.config.data.reader)
    check_titles(gold, str(options.data))
    with prefixed(options.data):
        found = [with_gold_labels(tagger(d.plain_text, d.title), d, options.similarity) for d in gold]
    write_docred(options.output, found)
    kept, all_ = (sum(len(document.triples or ()) for document in documents) for documents in (found, gold))
    entities = counted(sum(len(document.entities) for document in found), "entity", "entities")
    documents = counted(len(found), "document")
    print(f"{options.output}: {documents}, {entities}, {counted(kept, 'triple')} (gold: {all_:,})")
