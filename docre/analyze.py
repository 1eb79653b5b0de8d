"""python -m docre.analyze: where a model's thresholds sit, which errors remain, how its margins are calibrated."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docre import cli
from docre.analysis import (
    ErrorCounts,
    MarginTable,
    Offsets,
    OrderingViolations,
    PrecisionRecall,
    RelationErrors,
    Reliability,
    cases,
    count_errors,
    offsets,
    ordering_violations,
    plots,
    precision_recall,
    relation_errors,
    reliability,
    seen_types,
    type_consistent,
)
from docre.analysis.table import Bools
from docre.data import READERS, read
from docre.files import write_json

SHOWN = 15  # relations in the printed table


def main(arguments: list[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m docre.analyze",
        description="Show where a model's thresholds sit, which errors remain and how its margins are calibrated, and "
        "with --against what changes from another model to it. Prints tables; writes analysis.json and plots.",
    )
    parser.add_argument("--checkpoint", required=True, type=Path, metavar="DIR", help="a checkpoint, or a run's folder")
    parser.add_argument("--data", required=True, type=Path, metavar="FILE", help="documents with labels")
    parser.add_argument("--train", type=Path, metavar="FILE", help="the training set, for type-consistent errors")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkpoint: what changes from it to this")
    parser.add_argument("--cases", type=int, default=20, metavar="N", help="cases of each kind (%(default)s)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: analysis/<name of the data>, in DIR above")
    parser.add_argument("--reader", metavar="NAME", help=f"format of the data: {', '.join(READERS)}")
    cli.add_changes(parser)
    options = parser.parse_args(arguments)

    from docre.checkpoint import load  # after the arguments are known to be right: torch takes seconds to import
    from docre.probe import measure

    predictor = load(options.checkpoint, changes=options.changes, plugins=options.plugins)
    reader = options.reader or predictor.config.data.reader
    documents = read(options.data, reader)
    seen = seen_types(read(options.train, reader)) if options.train else None
    tables = {str(options.checkpoint): measure(predictor, documents, progress=True)}
    if options.against:
        tables[str(options.against)] = measure(
            load(options.against, changes=options.changes, plugins=options.plugins), documents, progress=True
        )
    first, *others = tables.values()
    consistent = None if seen is None else type_consistent(first, documents, seen)
    analyses = {name: analyse(table, consistent) for name, table in tables.items()}
    content: dict[str, Any] = {"data": str(options.data), "models": {n: asdict(a) for n, a in analyses.items()}}
    relations = relation_errors(first, consistent, *others)
    content["relations"] = [asdict(row) for row in relations]
    if others:
        content["cases"] = {
            kind: {"count": count, "shown": [asdict(case) for case in some]}
            for kind, (count, some) in cases(first, others[0], documents, options.cases).items()
        }
    output = options.output or options.checkpoint / "analysis" / options.data.stem
    write_json(output / "analysis.json", content)
    print("\n".join([summary_table(analyses), *(f"note: {note}" for note in silent(analyses))]))
    print(f"\n{relations_table(relations, predictor.schema.names)}")
    for kind, found in content.get("cases", {}).items():
        print(f"\n{kind}: {found['count']:,}")
        for case in found["shown"][:3]:
            margins = f"{case['other_margin']:+.2f} → {case['margin']:+.2f}"
            print(f"  {margins}  {case['title']}: {case['head']} | {case['relation']} | {case['tail']}")
    print(
        f"\nwritten to {output}/: analysis.json" + (", plots" if draw(analyses, output) else " (no plots: matplotlib)")
    )


@dataclass(frozen=True)
class Analysis:
    """All figures of one model on one set of documents."""

    offsets: Offsets
    ordering: OrderingViolations
    errors: ErrorCounts
    precision_recall: PrecisionRecall
    reliability: Reliability


def analyse(table: MarginTable, consistent: Bools | None = None) -> Analysis:
    """All figures. `consistent` as docre.analysis.type_consistent gives it."""
    return Analysis(
        offsets(table),
        ordering_violations(table),
        count_errors(table, consistent),
        precision_recall(table),
        reliability(table),
    )


def silent(analyses: Mapping[str, Analysis]) -> list[str]:
    """What has to be said of models that predict nothing: their figures look like those of a model that does."""
    return [
        f"{name} predicts nothing for these documents, which is why its scores are 0"
        for name, a in analyses.items()
        if not a.errors.tp + a.errors.fp
    ]


def figures(analyses: Mapping[str, Analysis]) -> dict[str, Any]:
    """The plots of some models, by name."""
    return {
        "relative offset": plots.offset_plot({name: a.offsets for name, a in analyses.items()}),
        "precision and recall": plots.precision_recall_plot({n: a.precision_recall for n, a in analyses.items()}),
        "reliability": plots.reliability_plot({name: a.reliability for name, a in analyses.items()}),
    }


def draw(analyses: Mapping[str, Analysis], output: Path) -> bool:
    """Write the plots as PNG; False where matplotlib is missing."""
    if not plots.available():
        return False
    for name, figure in figures(analyses).items():
        plots.save_png(figure, output / f"{name.replace(' ', '_')}.png")
    return True


def summary_rows(analyses: Mapping[str, Analysis]) -> list[tuple[str, list[str]]]:
    """The figures that fit in a table: (what, one text for each model)."""

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
    """The figures of some models side by side."""
    rows = summary_rows(analyses)
    width = max(12, *(len(text) + 2 for text in (*analyses, *(text for _, texts in rows for text in texts))))
    lines = [f"{'':<28}" + "".join(f"{name:>{width}}" for name in analyses)]
    lines += [f"{what:<28}" + "".join(f"{text:>{width}}" for text in texts) for what, texts in rows]
    return "\n".join(lines)


def relations_table(relations: Sequence[RelationErrors], names: Mapping[str, str]) -> str:
    """The errors of the first relations, with the changes where there is another model."""
    head = f"{'relation':<40}{'gold':>7}{'TP':>7}{'FP':>7}{'FN':>7}{'FP@NA':>7}{'typed':>7}"
    against = any(row.fp_change is not None for row in relations)
    lines = [head + (f"{'ΔFP':>8}{'ΔFP@NA':>8}{'Δtyped':>8}" if against else "")]
    for row in relations[:SHOWN]:
        name = names.get(row.relation, row.relation)
        label = row.relation if name == row.relation else f"{row.relation} {name}"
        line = f"{label[:39]:<40}{row.gold:>7}{row.tp:>7}{row.fp:>7}{row.fn:>7}{row.fp_na:>7}"
        line += f"{'-' if row.fp_typed is None else row.fp_typed:>7}"
        if against:
            for change in (row.fp_change, row.fp_na_change, row.fp_typed_change):
                line += f"{'-':>8}" if change is None else f"{change:>+8}"
        lines.append(line)
    if len(relations) > SHOWN:
        lines.append(f"… and {len(relations) - SHOWN} more in analysis.json")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
