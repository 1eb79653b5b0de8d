"""docre calibrate --checkpoint DIR --data DEV --output FILE: choose a shift of a model's margins."""

import argparse
from dataclasses import replace
from pathlib import Path

from docre.analysis import Calibration, MarginTable, calibrate
from docre.analysis.calibration import SHRINKAGE
from docre.config.options import add_checkpoint_options, add_checkpoints, add_tagger, tagger_changes
from docre.core.files import check_output
from docre.core.location import find_own_checkpoint
from docre.data.readers import read
from docre.errors import DocreError, prefixed
from docre.evaluation.scores import PRF
from docre.extraction import Extraction


def main(arguments: list[str]) -> None:
    """Choose a shift of a checkpoint's margins on dev documents and save it; print the scores before and after."""
    parser = argparse.ArgumentParser(
        prog="docre calibrate",
        description="Choose on dev documents a shift that is added to the margins, for the best F1 or for a given "
        "precision or recall, and fit how likely a triple with a given margin is right. Without --output the "
        "checkpoint itself is changed, and with --end-to-end how likely triples of plain text are right is fitted too. "
        "docre evaluate, predict and extract take a file that this writes as --calibration.",
    )
    add_checkpoints(parser)
    parser.add_argument("--data", required=True, metavar="DEV", help="documents with labels, but not the test set")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="a JSON file to write, instead of changing the checkpoint"
    )
    purpose = parser.add_mutually_exclusive_group()
    purpose.add_argument(
        "--precision", type=float, metavar="P", help="reach this precision (0 to 1) instead of the best F1"
    )
    purpose.add_argument("--recall", type=float, metavar="R", help="reach this recall (0 to 1) instead of the best F1")
    parser.add_argument(
        "--no-shift", action="store_true", help="fit only probabilities, and leave the predictions as they are"
    )
    parser.add_argument(
        "--end-to-end",
        action="store_true",
        help="also fit the confidence of docre extract, on the documents as plain text",
    )
    add_tagger(parser)
    parser.add_argument("--per-relation", action="store_true", help="a shift for each relation instead of one for all")
    parser.add_argument(
        "--shrinkage",
        type=float,
        default=SHRINKAGE,
        metavar="N",
        help="gold triples at which a relation's own shift and the common one have equal weight (%(default)s)",
    )
    parser.add_argument("--reader", metavar="NAME", help="the format of the documents (default: the training data's)")
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)
    for name in ("precision", "recall"):
        value = getattr(options, name)
        if value is not None and not 0 < value <= 1:
            raise DocreError(f"--{name}: expected a fraction above 0 and at most 1, got {value:g}")
    if len(options.checkpoint) > 1 and not options.output:
        raise DocreError("--output: several checkpoints need one, as the calibration of an ensemble is in none of them")
    if options.no_shift and (options.precision or options.recall or options.per_relation):
        raise DocreError("--no-shift: shifts nothing, which --precision, --recall and --per-relation are about")
    if options.tagger and not options.end_to_end:
        raise DocreError("--tagger: finds the entities of plain text, which only --end-to-end reads")
    if not 0 <= options.shrinkage < float("inf"):
        raise DocreError(f"--shrinkage: expected 0 or more, got {options.shrinkage:g}")
    if options.output:
        check_output(options.output, [options.data])
    else:
        folder = find_own_checkpoint(options.checkpoint[0], "without --output it is changed")

    from docre.inference import checkpoint
    from docre.inference.calibration import labeled_texts, with_end_to_end
    from docre.inference.confidence import best_threshold
    from docre.inference.loading import load
    from docre.inference.probe import margin_table

    predictor = load(options.checkpoint, changes=tagger_changes(options), plugins=options.plugins)
    if not options.no_shift:
        predictor.forget_calibration()
    documents = read(options.data, options.reader or predictor.config.data.reader)
    table = margin_table(predictor, documents, progress=True)
    top_k = predictor.top_k
    with prefixed(options.data):
        if options.no_shift:
            calibration = Calibration.without_shift(table, predictor.calibration)
        else:
            goal = options.precision, options.recall
            calibration = calibrate(table, *goal, options.per_relation, options.shrinkage, top_k)
    predictor.use(calibration)
    found: list[Extraction] = []
    if options.end_to_end:
        calibration, found = with_end_to_end(predictor, calibration, documents, progress=True)
    calibration = replace(calibration, weights=predictor.weights_digest)
    if options.output:
        calibration.save(options.output)
    else:
        unchanged = checkpoint.load(folder, plugins=options.plugins)  # key=value holds for this command only
        unchanged.use(calibration)
        checkpoint.save(unchanged, folder)
    print(f"{options.output or options.checkpoint[0]}: {calibration.purpose}; on {options.data}:")
    print(f"{'':<12}{'P':>8}{'R':>8}{'F1':>8}")
    after = table if options.no_shift else table.shifted(calibration.shift, top_k)
    for name, decided in (("before", table), ("after", after)):
        print(f"{name:<12}{columns(rates(decided))}")
    if found:
        best, scores = best_threshold(labeled_texts(documents), found)
        print(f"\ntriples of plain text, right if both entities are too; the best F1 is with --min-confidence {best}:")
        for threshold, of_threshold in scores.items():
            print(f"{f'from {threshold}':<12}{columns(fractions(of_threshold))}")


def rates(table: MarginTable) -> tuple[float, float, float]:
    """Micro precision (0 without predictions), recall and F1 of the predictions, as fractions."""
    return fractions(PRF(table.gold, int(table.predicted.sum()), int((table.predicted & table.labels).sum())))


def fractions(scores: PRF) -> tuple[float, float, float]:
    """Precision, recall and F1, 0 where they are not defined."""
    return scores.p or 0.0, scores.r or 0.0, scores.f1 or 0.0


def columns(values: tuple[float, float, float]) -> str:
    """Fractions in percent, as columns."""
    return "".join(f"{100 * value:>8.2f}" for value in values)
