"""docre report RUN ...: write learning curves, scores, plots and a document viewer into one HTML file."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from docre.analysis import MarginTable, plots, seen_types, type_consistent
from docre.analysis.page import Row, page, viewer_data
from docre.analysis.summary import Analysis, analyze, figures, no_prediction_notes, summary_rows
from docre.config.options import add_plugins, check_different, split_label
from docre.core.files import check_output, read_json, write_text
from docre.data.readers import read
from docre.data.stored import open_documents
from docre.errors import DocreError
from docre.evaluation import Evaluator, Scores, seeds_table, train_facts
from docre.evaluation.table import percent


def main(arguments: list[str]) -> None:
    """Write an HTML page about one or more runs."""
    parser = argparse.ArgumentParser(
        prog="docre report", description="Write one self-contained HTML file about one or more finished runs."
    )
    parser.add_argument(
        "runs", nargs="+", metavar="[LABEL=]RUN", help="folders of runs, or checkpoints; the page shows LABEL"
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="documents with labels (default: the test set of the first run, or its dev set if that has no labels)",
    )
    parser.add_argument("--train", metavar="FILE", help="the training set (default: that of the first run)")
    add_plugins(parser)
    parser.add_argument(
        "--documents", type=int, default=20, metavar="N", help="number of documents in the viewer (%(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="the file to write (%(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.documents < 1:
        raise DocreError(f"--documents: expected at least 1, got {options.documents}")
    check_output(options.output, [options.data, options.train])
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
    """The HTML page about runs.

    runs:    folders of runs or checkpoints, by the names that the page gives them.
    data:    documents with labels, for scores and plots; by default the first run's test or dev set.
    train:   the training set, for Ign-F1 and errors by type; by default the first run's.
    shown:   the number of documents in the viewer.
    plugins: Python modules to import before the checkpoints are loaded.

    Raises DocreError if there are no such documents, or the models do not have the same candidate pairs and relations.
    """
    plots.require_matplotlib()
    from docre.inference.checkpoint import load
    from docre.inference.probe import context_attention, margin_table
    from docre.training.models_of_runs import model_names
    from docre.training.used_data import labeled_data, used_data

    names = list(runs)
    predictors = {name: load(run, plugins=plugins) for name, run in runs.items()}
    first = next(iter(predictors.values()))
    run_data = used_data(runs[names[0]], first.config)
    data = data or labeled_data(run_data, first.config.data.reader)
    documents = read(data, first.config.data.reader)
    train = train or run_data.get("train")
    training = open_documents(train, first.config.data.reader) if train else []
    tables: dict[str, MarginTable] = {}
    for name, predictor in predictors.items():
        tables[name] = margin_table(predictor, documents, progress=True)
        tables[name].check_same_pairs(tables[names[0]])
    consistent = type_consistent(tables[names[0]], documents, seen_types(training)) if training else None
    analyses = {name: analyze(table, consistent) for name, table in tables.items()}
    evaluator = Evaluator(documents, train_facts(training) if training else None, str(data))
    scores = {name: evaluator(list(table.predictions())) for name, table in tables.items()}
    viewed = documents[:shown]
    attention = {name: context_attention(predictor, viewed) for name, predictor in predictors.items()}
    relations = list(first.schema.readable_names.items())
    viewed_tables = {name: first_documents(table, len(viewed)) for name, table in tables.items()}
    about: dict[str, tuple[list[str], Sequence[Row]]] = {
        f"Scores on {data}, %": (names, score_rows(scores)),
        "Thresholds and errors": (names, summary_rows(analyses)),
    }
    said = no_prediction_notes(analyses)
    if len(runs) > 1:
        models = model_names([predictor.config for predictor in predictors.values()])
        compared = over_seeds(models, list(scores.values()))
        about[f"Models over seeds on {data}, %"] = (
            seeds_table.HEADER[1:],
            [(row.name, seeds_table.cells(row)[1:]) for row in compared],
        )
        said += seeds_table.notes(compared)
    return page(
        "docre: " + ", ".join(names),
        [
            f"{data}: {len(documents)} documents, {len(viewed)} of them in the viewer below.",
            *said,
        ],
        about,
        svgs(runs, analyses),
        viewer_data(viewed, relations, viewed_tables, attention),
    )


def labeled(arguments: Sequence[str]) -> dict[str, Path]:
    """The paths of the runs [LABEL=]RUN by label. Without a label, a run is called by its path relative to the folder
    that all runs have in common. Raises DocreError if a run is given twice or two runs have the same label."""
    labels, paths = zip(*map(split_label, arguments), strict=True)
    folders = [str(path.resolve()) for path in paths]
    check_different(paths)
    common = os.path.commonpath(folders) if len(folders) > 1 else str(Path(folders[0]).parent)
    names = [label or os.path.relpath(path, common) for label, path in zip(labels, folders, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise DocreError(f"two runs are called {name!r}: give one another label, as LABEL=RUN")
    return dict(zip(names, paths, strict=True))


def over_seeds(models: Sequence[str], scores: Sequence[Scores]) -> list[seeds_table.Row]:
    """The comparison of models; runs of one model have its name in `models`."""
    groups: dict[str, list[Scores]] = {name: [] for name in models}
    for name, found in zip(models, scores, strict=True):
        groups[name].append(found)
    return seeds_table.compare_rows(groups)


def first_documents(table: MarginTable, documents: int) -> MarginTable:
    """The part of the table that is about the first `documents` documents."""
    rows = table.document < documents
    columns = ["document", "head", "tail", "labels", "predicted", "scores", "margins"]
    columns += ["evidence"] if table.evidence is not None else []
    return replace(table, titles=table.titles[:documents], **{name: getattr(table, name)[rows] for name in columns})


def score_rows(scores: Mapping[str, Scores]) -> list[Row]:
    """The rows of the score table, in percent: (label, one value for each model)."""
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
    if any(s.evidence for s in scores.values()):
        fields["evidence F1"] = lambda s: s.evidence.f1 if s.evidence else None
    return [(label, [percent(get(s)) for s in scores.values()]) for label, get in fields.items()]


def svgs(runs: Mapping[str, Path], analyses: Mapping[str, Analysis]) -> dict[str, str]:
    """All plots as <svg> elements, by caption."""
    curves = {name: learning_curve(run) for name, run in runs.items()}
    drawn: dict[str, Any] = {}
    for key, caption, factor in (("loss", "training loss", 1), ("f1", "dev F1, %", 100)):
        lines = {
            name: (list(curve), [factor * result[key] for result in curve.values()])
            for name, curve in curves.items()
            if curve and all(isinstance(r.get(key), int | float) and np.isfinite(r[key]) for r in curve.values())
        }
        if lines:
            drawn[caption] = plots.line_plot(lines, "epoch", caption)
    return {caption: plots.to_svg(figure, caption) for caption, figure in (drawn | figures(analyses)).items()}


def learning_curve(run: Path) -> dict[float, dict[str, Any]]:
    """The results recorded in the metrics.json of a run, in order, by the number of epochs trained (2.5: half way
    through the third); empty for a checkpoint without one."""
    path = run / "metrics.json"
    metrics = read_json(path) if path.is_file() else None
    if not isinstance(metrics, dict):
        return {}
    epochs = metrics.get("epochs", [])
    curve = {result["epoch"]: result for result in epochs}
    if steps := metrics.get("steps"):
        curve |= {result["step"] * len(epochs) / steps: result for result in metrics.get("evaluations", [])}
    return dict(sorted(curve.items()))
