"""docre report RUN ...: learning curves, scores, plots and a document viewer in one HTML file."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from docre.analysis import MarginTable, plots, seen_types, type_consistent
from docre.analysis.page import Row, page, viewer_data
from docre.analysis.summary import Analysis, analyze, figures, silent, summary_rows
from docre.config.options import add_plugins
from docre.config.schema import Config
from docre.core.files import read_json, write_text
from docre.data.readers import read
from docre.errors import DocreError
from docre.evaluation import Evaluator, Scores, train_facts


def main(arguments: list[str]) -> None:
    """Write the HTML page of some runs."""
    parser = argparse.ArgumentParser(
        prog="docre report", description="Make one self-contained HTML file of one or more finished runs."
    )
    parser.add_argument(
        "runs", nargs="+", metavar="[LABEL=]RUN", help="folders of runs, or checkpoints, each with a name for the page"
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="documents with labels (default: the test set that the first run was evaluated on, else its dev set)",
    )
    parser.add_argument("--train", metavar="FILE", help="the training set (default: the first run's, where it is)")
    add_plugins(parser)
    parser.add_argument(
        "--documents", type=int, default=20, metavar="N", help="how many documents the viewer shows (%(default)s)"
    )
    parser.add_argument("--output", type=Path, default=Path("report.html"), metavar="FILE", help="(%(default)s)")
    options = parser.parse_args(arguments)
    if options.documents < 1:
        raise DocreError(f"--documents: expected at least 1, got {options.documents}")
    text = report(labeled(options.runs), options.data, options.train, options.documents, options.plugins)
    write_text(options.output, text)
    print(f"{options.output}: {len(text.encode()) / 1e6:.1f} MB")


def report(
    runs: Mapping[str, Path],
    data: str | None = None,
    train: str | None = None,
    shown: int = 20,
    plugins: Sequence[str] = (),
) -> str:
    """The page. Scores and plots are of all documents of `data`, the viewer has the first `shown` of them.

    runs: the folders by the names that the page gives them.
    """
    plots.require()
    from docre.inference.checkpoint import load
    from docre.inference.probe import context_attention, margin_table

    names = list(runs)
    predictors = {name: load(run, plugins=plugins) for name, run in runs.items()}
    first = next(iter(predictors.values()))
    known = used_data(runs[names[0]], first.config)
    used = data or labeled_data(known, first.config.data.reader)
    documents = read(used, first.config.data.reader)
    train = train or known.get("train")
    training = read(train, first.config.data.reader) if train else []
    tables: dict[str, MarginTable] = {}
    for name, predictor in predictors.items():
        tables[name] = margin_table(predictor, documents, progress=True)
        tables[name].check_same_pairs(tables[names[0]])
    consistent = type_consistent(tables[names[0]], documents, seen_types(training)) if training else None
    analyses = {name: analyze(table, consistent) for name, table in tables.items()}
    evaluator = Evaluator(documents, train_facts(training) if training else None, str(used))
    scores = {name: evaluator(list(table.predictions())) for name, table in tables.items()}
    some = documents[:shown]
    attention = {name: context_attention(predictor, some) for name, predictor in predictors.items()}
    relations = [(relation, first.schema.name(relation)) for relation in first.schema.relations]
    viewed = {name: head_of(table, len(some)) for name, table in tables.items()}
    about: dict[str, tuple[list[str], Sequence[Row]]] = {
        f"Scores on {used}, %": (names, score_rows(scores)),
        "Thresholds and errors": (names, summary_rows(analyses)),
    }
    return page(
        "docre: " + ", ".join(names),
        [f"{used}: {len(documents)} documents, {len(some)} of them in the viewer below.", *silent(analyses)],
        about,
        svgs(runs, analyses),
        viewer_data(some, relations, viewed, attention),
    )


def labeled(arguments: Sequence[str]) -> dict[str, Path]:
    """The runs of the command line by label: what stands before "=", or else the folder's name as short as the runs can
    be told apart. A path that exists is a path, whatever is in it. Raises DocreError for two runs or labels alike."""
    labels, paths = zip(*map(split_label, arguments), strict=True)
    folders = [str(path.resolve()) for path in paths]
    if len(set(folders)) < len(folders):
        raise DocreError("a run is given twice")
    common = os.path.commonpath(folders) if len(folders) > 1 else str(Path(folders[0]).parent)
    names = [label or os.path.relpath(path, common) for label, path in zip(labels, folders, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise DocreError(f"two runs are called {name!r}: give one another label, as LABEL=RUN")
    return dict(zip(names, paths, strict=True))


def split_label(argument: str) -> tuple[str, Path]:
    """("atl", runs/a) of "atl=runs/a"; the label is empty where there is none. Both may have a "=" of their own."""
    parts = argument.split("=")
    for i in range(len(parts)):
        path = "=".join(parts[i:])
        if os.path.exists(path):
            return "=".join(parts[:i]), Path(path)
    return "", Path(argument)


def used_data(run: Path, config: Config) -> dict[str, str]:
    """The data files that a finished run was made of, by split, as far as they are still what they were.

    A config that comes with somebody's checkpoint can name any file of this machine; what is in it only its own run
    knows, whose metrics.json has the digests.
    """
    from docre.training.folder import digests

    path = run / "metrics.json"
    metrics = read_json(path) if path.is_file() else None
    recorded = metrics.get("data") if isinstance(metrics, dict) else None
    if not isinstance(recorded, dict):
        return {}
    paths = {"train": config.data.train, "dev": config.data.dev, "test": config.data.test}
    now = digests(config)
    keys = {split: f"data.{split} file" for split in paths}
    return {split: str(paths[split]) for split, key in keys.items() if key in now and now[key] == recorded.get(key)}


def labeled_data(known: Mapping[str, str], reader: str) -> str:
    """The test set among a run's data files, or its dev set where that has no labels."""
    for split in ("test", "dev"):
        path = known.get(split)
        if path and all(document.triples is not None for document in read(path, reader)):
            return path
    raise DocreError("the run has no test or dev set with labels, or not as they were: give documents with --data")


def head_of(table: MarginTable, documents: int) -> MarginTable:
    """The table of the first so many documents."""
    rows = table.document < documents
    columns = ("document", "head", "tail", "labels", "predicted", "scores", "margins")
    return replace(table, titles=table.titles[:documents], **{name: getattr(table, name)[rows] for name in columns})


def score_rows(scores: Mapping[str, Scores]) -> list[Row]:
    """The scores of all models, in percent."""

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f}"

    fields: dict[str, Any] = {
        "P": lambda s: s.p,
        "R": lambda s: s.r,
        "F1": lambda s: s.f1,
        "Ign-F1": lambda s: s.ign_f1,
        "macro F1": lambda s: s.macro_f1,
        "F1, intra-sentence": lambda s: s.intra.f1,
        "F1, inter-sentence": lambda s: s.inter.f1,
        "F1, frequent relations": lambda s: s.frequent.f1,
        "F1, long tail": lambda s: s.long_tail.f1,
    }
    return [(what, [percent(get(s)) for s in scores.values()]) for what, get in fields.items()]


def svgs(runs: Mapping[str, Path], analyses: Mapping[str, Analysis]) -> dict[str, str]:
    """All plots, by caption."""
    epochs = {name: learning_curve(run) for name, run in runs.items()}
    drawn: dict[str, Any] = {}
    for key, what, factor in (("loss", "training loss", 1), ("f1", "dev F1, %", 100)):
        lines = {
            name: ([e["epoch"] for e in found], [factor * e[key] for e in found])
            for name, found in epochs.items()
            if found and all(isinstance(e.get(key), int | float) and np.isfinite(e[key]) for e in found)
        }
        if lines:
            drawn[what] = plots.line_plot(lines, "epoch", what)
    return {caption: plots.to_svg(figure, caption) for caption, figure in (drawn | figures(analyses)).items()}


def learning_curve(run: Path) -> list[dict[str, Any]]:
    """The epochs of a run's metrics.json; none for a checkpoint's folder."""
    path = run / "metrics.json"
    if not path.is_file():
        return []
    metrics = read_json(path)
    return metrics.get("epochs", []) if isinstance(metrics, dict) else []
