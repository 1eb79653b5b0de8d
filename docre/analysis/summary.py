"""The whole analysis of models on one set of documents, as numbers, plots and a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docre.analysis import plots
from docre.analysis.curves import PrecisionRecall, Reliability, precision_recall, reliability
from docre.analysis.errors import ErrorCounts, count_errors
from docre.analysis.offsets import Offsets, OrderingViolations, offsets, ordering_violations
from docre.analysis.table import Bools, MarginTable


@dataclass(frozen=True)
class Analysis:
    """The analysis of one model on one set of documents."""

    offsets: Offsets
    ordering: OrderingViolations
    errors: ErrorCounts
    precision_recall: PrecisionRecall
    reliability: Reliability


def analyze(table: MarginTable, consistent: Bools | None = None) -> Analysis:
    """Analyze the margins of a model. consistent: what docre.analysis.type_consistent returns, for FP by type."""
    return Analysis(
        offsets(table),
        ordering_violations(table),
        count_errors(table, consistent),
        precision_recall(table),
        reliability(table),
    )


def no_prediction_notes(analyses: Mapping[str, Analysis]) -> list[str]:
    """A note for each model that predicts nothing, as the other numbers do not show it."""
    return [
        f"{name} predicts nothing for these documents, which is why its scores are 0"
        for name, a in analyses.items()
        if not a.errors.tp + a.errors.fp
    ]


def figures(analyses: Mapping[str, Analysis]) -> dict[str, Any]:
    """matplotlib figures that compare the models, by title."""
    return {
        "relative offset": plots.offset_plot({name: a.offsets for name, a in analyses.items()}),
        "precision and recall": plots.precision_recall_plot({n: a.precision_recall for n, a in analyses.items()}),
        "reliability": plots.reliability_plot({name: a.reliability for name, a in analyses.items()}),
    }


def summary_rows(analyses: Mapping[str, Analysis]) -> list[tuple[str, list[str]]]:
    """The rows of a table: (label, one formatted value for each model)."""

    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f}%"

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    def count(value: int | None) -> str:
        return "-" if value is None else f"{value:,}"

    rows = {
        "pairs with a relation": [count(a.ordering.pairs) for a in analyses.values()],
        "Relative Offset, mean": [number(a.offsets.mean) for a in analyses.values()],
        "Std(RO)": [number(a.offsets.std) for a in analyses.values()],
        "RO, quartiles": [" ".join(map(number, a.offsets.quartiles or (None,))) for a in analyses.values()],
        "RO outside [0, 1]": [share(a.offsets.outside) for a in analyses.values()],
        "OVR": [share(a.ordering.ovr) for a in analyses.values()],
        "  positive below threshold": [share(a.ordering.missed) for a in analyses.values()],
        "  negative above threshold": [share(a.ordering.excess) for a in analyses.values()],
        "  negative above positive": [share(a.ordering.ranking) for a in analyses.values()],
        "TP": [count(a.errors.tp) for a in analyses.values()],
        "FP": [count(a.errors.fp) for a in analyses.values()],
        "FP@NA": [count(a.errors.fp_na) for a in analyses.values()],
        "FP, types seen in train": [count(a.errors.fp_typed) for a in analyses.values()],
        "FN": [count(a.errors.fn) for a in analyses.values()],
        "FN_NA": [count(a.errors.fn_na) for a in analyses.values()],
        "FN_Rel": [count(a.errors.fn_rel) for a in analyses.values()],
        "FN_NA / FN": [share(a.errors.fn_na_ratio) for a in analyses.values()],
        "FN_Rel / FN": [share(a.errors.fn_rel_ratio) for a in analyses.values()],
        "average precision": [number(a.precision_recall.average_precision) for a in analyses.values()],
        "ECE": [number(a.reliability.error) for a in analyses.values()],
        "ECE of predictions": [number(a.reliability.predicted_error) for a in analyses.values()],
    }
    return list(rows.items())


def summary_table(analyses: Mapping[str, Analysis]) -> str:
    """A text table with one column for each model."""
    rows = summary_rows(analyses)
    width = max(12, *(len(text) + 2 for text in (*analyses, *(text for _, values in rows for text in values))))
    lines = [f"{'':<28}" + "".join(f"{name:>{width}}" for name in analyses)]
    lines += [f"{label:<28}" + "".join(f"{value:>{width}}" for value in values) for label, values in rows]
    return "\n".join(lines)
