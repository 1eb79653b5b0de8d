"""docre evaluate: score a checkpoint, or a file of predictions, against gold labels."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docre.config.loading import import_plugins
from docre.config.options import (
    add_calibration,
    add_checkpoint_options,
    add_checkpoints,
    add_min_confidence,
    add_tagger,
    probability,
    tagger_changes,
)
from docre.core.files import check_output, write_json
from docre.data import oddities
from docre.data.readers import READERS, iterate, read
from docre.documents import Document, Prediction
from docre.errors import DocreError
from docre.evaluation import (
    Evaluator,
    TrainFacts,
    compare,
    differences_table,
    intervals,
    no_difference,
    read_fact_file,
    read_submission,
    relations_table,
    scores_table,
    train_facts,
    write_submission,
)

if TYPE_CHECKING:
    from docre.inference.scorer import PairScorer

SAMPLES = 1000  # of the paired bootstrap test, unless --bootstrap gives a number
FORM, SCHEMA, SIMILARITY = "bars", "docred", 0.8  # defaults of the options for answers


def main(arguments: list[str]) -> None:
    """Score predictions, or predicted documents, against gold labels; print tables, and write --json."""
    options = parse(arguments)
    import_plugins(options.plugins, "--plugins")
    if options.end_to_end:
        score_end_to_end(options)
    else:
        score_triples(options)


def score_triples(options: argparse.Namespace) -> None:
    """Score predictions against gold labels; print tables, and write --json."""
    predictor = load_model(options) if options.checkpoint else None
    reader = options.reader or (predictor.config.data.reader if predictor else "docred")
    train = None if options.train is None else read_train_facts(options.train, reader)
    gold_file = options.data if predictor else options.gold
    gold = read(gold_file, reader)
    evaluator = Evaluator(gold, train, str(gold_file))
    other = None if options.against is None else read_submission_for(options.against, evaluator, gold_file)
    if predictor:
        predictions = list(chain.from_iterable(predictor.predict(gold, progress=True)))
        notes = oddities.unknown_relations(gold, predictor.schema.index)
    elif options.answers:
        predictions, notes = read_generated(options, gold), []
    else:
        predictions, notes = read_submission(options.predictions), []
    print_scores(evaluator, predictions, other, options.bootstrap, options.json, options.per_relation, notes)


def read_generated(options: argparse.Namespace, gold: Sequence[Document]) -> list[Prediction]:
    """The predictions in --answers, which --write writes as a submission; print what was counted."""
    from docre.answers import read_answers
    from docre.data.schema import load_schema

    names = load_schema(options.relations or SCHEMA).readable_names
    form, similarity = options.form or FORM, SIMILARITY if options.similarity is None else options.similarity
    found = read_answers(options.answers, gold, names, form, similarity)
    if options.write:
        write_submission(options.write, found.predictions)
    print("\n".join(found.lines()) + "\n")
    return found.predictions


def score_end_to_end(options: argparse.Namespace) -> None:
    """Score predicted documents against gold documents of the same text; print tables, and write --json."""
    from docre.evaluation.end_to_end import end_to_end_table, evaluate_end_to_end  # imports networkx, which takes 0.3 s

    if options.checkpoint:
        extract_and_score(options)
        return
    reader = options.reader or "docred"
    scores = evaluate_end_to_end(
        read(options.gold, reader),
        read(options.predictions, options.predictions_reader or reader),
        None if options.train is None else read_train_facts(options.train, reader),
        None if options.with_gold_entities is None else read_submission(options.with_gold_entities),
        str(options.gold),
        str(options.predictions),
    )
    if options.json is not None:
        write_json(options.json, scores.to_json())
    print("\n".join([end_to_end_table(scores), *(f"note: {note}" for note in scores.notes)]))


def extract_and_score(options: argparse.Namespace) -> None:
    """Let a checkpoint read documents as plain text, and score what it finds; print tables, and write --json."""
    from docre.evaluation.end_to_end import end_to_end_table, evaluate_end_to_end
    from docre.inference.calibration import check_probabilities
    from docre.inference.end_to_end import read_as_text

    predictor = load_model(options)
    reader = options.reader or predictor.config.data.reader
    gold = read(options.data, reader)
    train = None if options.train is None else read_train_facts(options.train, reader)
    if options.min_confidence is not None:
        check_probabilities(predictor, options.checkpoint[0])
    found = read_as_text(predictor, gold, options.min_confidence)
    with_gold = list(chain.from_iterable(predictor.predict(gold, progress=True)))
    scores = evaluate_end_to_end(gold, found.documents, train, with_gold, str(options.data), "what was found")
    if options.json is not None:
        write_json(options.json, scores.to_json() | found.to_json() | {"min_confidence": options.min_confidence})
    print("\n".join([end_to_end_table(scores), *found.lines(), *(f"note: {note}" for note in scores.notes)]))


def read_submission_for(path: Path, evaluator: Evaluator, gold_file: Path) -> list[Prediction]:
    """The predictions of --against. Raises DocreError if none is for a document of the gold data."""
    predictions = read_submission(path)
    if predictions and not any(prediction.title in evaluator.gold.rows for prediction in predictions):
        raise DocreError(
            f"{path}: none of its {len(predictions)} predictions is for a document of {gold_file} "
            f"(first: {predictions[0].title!r}): only submissions for the same documents can be compared"
        )
    return predictions


def load_model(options: argparse.Namespace) -> "PairScorer":
    """The model or the ensemble of --checkpoint, with --calibration applied or the threshold fitted on --dev."""
    from docre.inference.calibration import load_calibrated

    return load_calibrated(
        options.checkpoint, tagger_changes(options), options.plugins, options.calibration, options.force, options.dev
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; exits with code 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="docre evaluate",
        description="Score a file of predictions (--predictions, --gold) or a model (--checkpoint, --data).",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="result.json, or a .zip file that contains it; with --end-to-end: predicted documents",
    )
    source.add_argument(
        "--answers",
        type=Path,
        metavar="FILE",
        help="answers that a language model generated: .jsonl, {title, answer} a line (see docre prompt)",
    )
    add_checkpoints(source, required=False)
    parser.add_argument("--gold", type=Path, metavar="FILE", help="with --predictions or --answers: labeled documents")
    parser.add_argument("--data", type=Path, metavar="FILE", help="with --checkpoint: documents with labels")
    add_calibration(parser)
    parser.add_argument(
        "--train", type=Path, metavar="FILE", help="the training set (or a .fact file with its facts), for Ign-F1"
    )
    parser.add_argument(
        "--reader",
        metavar="NAME",
        help=f"format of the documents: {', '.join(READERS)} (default: docred, or the checkpoint's)",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all scores to this file, as fractions")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="other predictions, compared by a paired bootstrap test"
    )
    parser.add_argument(
        "--bootstrap", type=int, metavar="N", help="add 95%% confidence intervals from N samples of the documents"
    )
    parser.add_argument("--per-relation", action="store_true", help="also print the scores of each relation")
    answers = parser.add_argument_group("answers of a language model")
    answers.add_argument("--form", metavar="NAME", help=f"of the answers (default: {FORM})")
    answers.add_argument("--relations", metavar="NAME", help=f"schema, or a file (default: {SCHEMA})")
    answers.add_argument(
        "--similarity",
        type=probability,
        metavar="S",
        help=f"of a name to a mention, at least (0 to 1; default: {SIMILARITY})",
    )
    answers.add_argument("--write", type=Path, metavar="FILE", help="write the triples that were understood there")
    whole = parser.add_argument_group("predicted documents")
    whole.add_argument(
        "--end-to-end",
        action="store_true",
        help="score mentions, entities, types and relations that were predicted from plain text: with --predictions "
        "those of a file of documents; with --checkpoint what it finds in the text of --data with its tagger",
    )
    add_tagger(whole)
    add_min_confidence(whole)
    whole.add_argument("--predictions-reader", metavar="NAME", help="format of --predictions (default: --reader)")
    whole.add_argument(
        "--with-gold-entities",
        type=Path,
        metavar="FILE",
        help="what the same relation model predicts for --gold (result.json), to show what is lost to it",
    )
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)
    if options.checkpoint and (options.gold or not options.data):
        parser.error("--checkpoint needs --data, and no --gold")
    if not options.checkpoint and (options.data or not options.gold):
        parser.error("--predictions and --answers need --gold, and no --data")
    if options.end_to_end and options.answers:
        parser.error("--end-to-end does not go with --answers")
    for_answers = options.form, options.relations, options.similarity, options.write
    if not options.answers and any(value is not None for value in for_answers):
        parser.error("--form, --relations, --similarity and --write need --answers")
    if not options.checkpoint and (options.calibration or options.dev):
        parser.error("--calibration and --dev need --checkpoint")
    if not options.checkpoint and options.changes:
        parser.error("key=value needs --checkpoint")
    if options.end_to_end and (options.against or options.bootstrap is not None or options.per_relation):
        parser.error("--against, --bootstrap and --per-relation do not go with --end-to-end")
    of_texts = options.tagger or options.min_confidence is not None
    if of_texts and not (options.end_to_end and options.checkpoint):
        parser.error("--tagger and --min-confidence need --end-to-end and --checkpoint")
    of_files = options.predictions_reader or options.with_gold_entities
    if of_files and not (options.end_to_end and options.predictions):
        parser.error("--predictions-reader and --with-gold-entities need --end-to-end and --predictions")
    names = "predictions", "answers", "gold", "data", "train", "against", "with_gold_entities", "dev", "calibration"
    for written in (options.json, options.write):
        if written:
            check_output(written, [getattr(options, name) for name in names])
    return options


def read_train_facts(path: Path, reader: str) -> TrainFacts:
    """The training facts of a `.fact` file, or of documents in the format called `reader`."""
    if path.suffix == ".fact":
        return read_fact_file(path)
    return train_facts(iterate(path, reader), str(path))


def print_scores(
    evaluator: Evaluator,
    predictions: Sequence[Prediction],
    other: Sequence[Prediction] | None = None,
    bootstrap: int | None = None,
    json: Path | None = None,
    per_relation: bool = False,
    notes: Sequence[str] = (),
) -> None:
    """Score the predictions, write the scores to the file `json` if it is given, and print them as tables.

    other:     predictions to compare with by a paired bootstrap test.
    bootstrap: the number of samples. If it is None there are no confidence intervals, and the test takes 1,000.
    notes:     notes to print in addition to those of the scores.

    Errors are raised before anything is printed.
    """
    scores = evaluator(predictions)
    scores = replace(scores, notes=(*scores.notes, *notes))
    content: dict[str, Any] = scores.to_json() | {"gold_file": evaluator.source}
    sampled = None
    if bootstrap is not None:
        sampled = intervals(scores, bootstrap)
        content["bootstrap"] = {
            "samples": bootstrap,
            "intervals": {name: asdict(interval) for name, interval in sampled.items()},
        }
    texts = [scores_table(scores, sampled)]
    if per_relation:
        texts.append(relations_table(scores))
    texts += [f"note: {note}" for note in scores.notes]
    if other is not None:
        samples = SAMPLES if bootstrap is None else bootstrap
        against = evaluator(other)
        differences = compare(scores, against, samples)
        same = no_difference(scores, against)
        content["against"] = against.to_json() | {
            "no_difference": same,
            "samples": samples,
            "differences": {name: asdict(difference) for name, difference in differences.items()},
        }
        texts += [f"\nagainst\n{scores_table(against)}"]
        texts += [f"note (against): {note}" for note in against.notes]
        texts.append(f"\n{same or differences_table(differences)}")
    if json is not None:
        write_json(json, content)
    print("\n".join(texts))
