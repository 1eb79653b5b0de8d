"""docre compare RUN ...: compare models of which each was trained with several seeds."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from docre.analysis.plots import save_png, seeds_plot
from docre.config.loading import read_saved_config
from docre.config.options import check_different, parse_with_plugins, split_label
from docre.config.schema import Config
from docre.core.files import check_output, write_json, write_text
from docre.data.readers import read
from docre.data.stored import open_documents
from docre.errors import DocreError
from docre.evaluation import Evaluator, Scores, read_submission, train_facts
from docre.evaluation.seeds_table import FORMATS, compare_rows, notes

FINISHED = ("config.yaml", "metrics.json", "result.json")  # what a finished run with test documents has


def main(arguments: list[str]) -> None:
    """Compare models by what their runs predicted for the test documents."""
    parser = argparse.ArgumentParser(
        prog="docre compare",
        description="Compare models by the predictions of their finished runs for the test documents: mean and "
        "deviation over seeds, and a test that accounts for seeds and documents. Runs that differ only in their seed "
        "are of one model.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="[LABEL=]RUN", help="folders of runs; runs with one LABEL are of one model"
    )
    parser.add_argument(
        "--against", metavar="LABEL", help="the model that others are compared with (default: the best)"
    )
    parser.add_argument("--format", choices=sorted(FORMATS), default="text", help="of the table (%(default)s)")
    parser.add_argument("--output", metavar="FILE", help="write the table there")
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    parser.add_argument("--plot", metavar="FILE", help="draw the scores of all runs, as PNG")
    parser.add_argument("--samples", type=int, default=2000, metavar="N", help="bootstrap samples (%(default)s)")
    options = parse_with_plugins(parser, arguments)
    for written in filter(None, (options.output, options.json, options.plot)):
        check_output(written, (path / name for _, path in map(split_label, options.runs) for name in FINISHED))
    groups = scored(options.runs)
    rows = compare_rows(groups, options.against, options.samples)
    table = FORMATS[options.format](rows)
    if options.output:
        write_text(options.output, table + "\n")
    if options.json:
        write_json(options.json, [row.to_json() for row in rows])
    if options.plot:
        f1 = {name: [scores.f1 for scores in runs] for name, runs in groups.items()}
        save_png(seeds_plot(f1), Path(options.plot))
    print(table)
    print("\n".join(notes(rows)))


def scored(arguments: Sequence[str]) -> dict[str, list[Scores]]:
    """The scores of the runs of each model, by its name. Raises DocreError if a folder has no finished run, or the runs
    were not tested on the same documents, or one is given twice or was trained twice."""
    from docre.training.models_of_runs import check_seeds, model_names
    from docre.training.used_data import recorded_digests, used_data

    runs = [split_label(argument) for argument in arguments]
    check_different(path for _, path in runs)
    configs = [finished_config(path) for _, path in runs]
    tested = [recorded_digests(path).get("data.test file") for _, path in runs]
    for (_, path), digest in zip(runs, tested, strict=True):
        if digest != tested[0]:
            raise DocreError(f"{path}: tested on other documents than {runs[0][1]}")
    first = configs[0]
    data = used_data(runs[0][1], first)
    if "test" not in data:
        raise DocreError(f"{runs[0][1]}: its test documents are not there any more, or have changed since")
    documents = read(data["test"], first.data.reader)
    facts = train_facts(open_documents(data["train"], first.data.reader)) if "train" in data else None
    evaluator = Evaluator(documents, facts, data["test"])
    names = model_names(configs, [label for label, _ in runs])
    check_seeds(names, [path for _, path in runs], configs)
    groups: dict[str, list[Scores]] = {name: [] for name in names}
    for (_, path), name in zip(runs, names, strict=True):
        groups[name].append(evaluator(read_submission(path / "result.json")))
    return groups


def finished_config(run: Path) -> Config:
    """The config of a run. Raises DocreError if the folder has no finished run."""
    for name in FINISHED:
        if not (run / name).is_file():
            raise DocreError(f"{run}: no {name}, so not the folder of a finished run with test documents")
    return read_saved_config(run)
