"""`python -m docre.evaluate`: scores of a predictions file against gold labels."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docre import cli
from docre.data import READERS, read
from docre.documents import Prediction
from docre.evaluation import (
    Evaluator,
    TrainFacts,
    compare,
    differences_table,
    intervals,
    read_fact_file,
    read_submission,
    relations_table,
    scores_table,
    train_facts,
)
from docre.files import write_json

SAMPLES = 1000  # of the paired test, where --bootstrap does not say


def main(arguments: list[str]) -> None:
    """Score --predictions against --gold, print tables, and write --json. Raises DocreError for wrong input."""
    options = parser().parse_args(arguments)
    train = None if options.train is None else read_train_facts(options.train, options.reader)
    evaluator = Evaluator(read(options.gold, options.reader), train, str(options.gold))
    predictions = read_submission(options.predictions)
    other = None if options.against is None else read_submission(options.against)
    report(evaluator, predictions, other, options.bootstrap, options.json, options.per_relation)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m docre.evaluate", description="Score predictions.")
    result.add_argument(
        "--predictions", type=Path, required=True, metavar="FILE", help="result.json, or a .zip with it inside"
    )
    result.add_argument("--gold", type=Path, required=True, metavar="FILE", help="documents with labels")
    result.add_argument(
        "--train", type=Path, metavar="FILE", help="the training set, or its facts as a .fact file, for Ign-F1"
    )
    result.add_argument("--reader", default="docred", metavar="NAME", help=f"format of the data: {', '.join(READERS)}")
    result.add_argument("--json", type=Path, metavar="OUT", help="write all scores there, as fractions")
    result.add_argument(
        "--against", type=Path, metavar="FILE", help="another predictions file: a paired bootstrap test against it"
    )
    result.add_argument(
        "--bootstrap", type=int, metavar="N", help="95%% confidence intervals from N samples of the documents"
    )
    result.add_argument("--per-relation", action="store_true", help="print the scores of each relation too")
    return result


def read_train_facts(path: Path, reader: str) -> TrainFacts:
    """The training facts of a `.fact` file, or of documents in the format called `reader`."""
    if path.suffix == ".fact":
        return read_fact_file(path)
    return train_facts(read(path, reader), str(path))


def report(
    evaluator: Evaluator,
    predictions: Sequence[Prediction],
    other: Sequence[Prediction] | None = None,
    bootstrap: int | None = None,
    json: Path | None = None,
    per_relation: bool = False,
) -> None:
    """Score the predictions, write the scores to the file `json` where there is one, then print them as tables.

    other:     predictions to compare with, by a paired bootstrap test.
    bootstrap: the number of samples for confidence intervals, none without; of the test 1,000 without.

    Raises DocreError before anything is printed.
    """
    scores = evaluator(predictions)
    content: dict[str, Any] = scores.to_json()
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
        content["against"] = against.to_json() | {
            "samples": samples,
            "differences": {name: asdict(difference) for name, difference in differences.items()},
        }
        texts += [f"\nagainst\n{scores_table(against)}"]
        texts += [f"note (against): {note}" for note in against.notes]
        texts.append(f"\n{differences_table(differences)}")
    if json is not None:
        write_json(json, content)
    print("\n".join(texts))


if __name__ == "__main__":
    cli.run(main)
