"""docre analyze: show where a model's thresholds lie, which errors it makes, how well its margins are calibrated."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docre.analysis import RelationErrors, cases, plots, relation_errors, seen_types, type_consistent
from docre.analysis.summary import Analysis, analyze, figures, no_prediction_notes, summary_table
from docre.config.options import add_checkpoint, add_checkpoint_options
from docre.core.files import write_json
from docre.core.location import find_own_checkpoint
from docre.data.readers import READERS, iterate, read

SHOWN = 15  # relations in the printed table
CASES_SHOWN = 3  # printed cases of each kind


def main(arguments: list[str]) -> None:
    """Analyze a checkpoint, or two, on labeled documents; print tables, write analysis.json and plots."""
    parser = argparse.ArgumentParser(
        prog="docre analyze",
        description="Show where a model's thresholds lie, which errors it makes, how well its margins are calibrated, "
        "and with --against also what differs from another model. Prints tables; writes analysis.json and plots.",
    )
    add_checkpoint(parser, type=Path)
    parser.add_argument("--data", required=True, type=Path, metavar="FILE", help="documents with labels")
    parser.add_argument("--train", type=Path, metavar="FILE", help="the training set, for type-consistent errors")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkpoint to compare with")
    parser.add_argument(
        "--cases", type=int, default=20, metavar="N", help="triples to write for each kind of difference (%(default)s)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where to write (default: analysis/<name of the data> in the run's folder, beside the checkpoint)",
    )
    parser.add_argument(
        "--reader", metavar="NAME", help=f"format of the documents: {', '.join(READERS)} (default: the checkpoint's)"
    )
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)
    output = options.output
    if output is None:
        checkpoint = find_own_checkpoint(options.checkpoint, "without --output the analysis is written beside it")
        output = checkpoint.parent / "analysis" / options.data.stem

    from docre.inference.checkpoint import load
    from docre.inference.probe import margin_table

    predictor = load(options.checkpoint, changes=options.changes, plugins=options.plugins)
    reader = options.reader or predictor.config.data.reader
    documents = read(options.data, reader)
    seen = seen_types(iterate(options.train, reader)) if options.train else None
    tables = {str(options.checkpoint): margin_table(predictor, documents, progress=True)}
    if options.against:
        tables[str(options.against)] = margin_table(
            load(options.against, changes=options.changes, plugins=options.plugins), documents, progress=True
        )
    first, *others = tables.values()
    consistent = None if seen is None else type_consistent(first, documents, seen)
    analyses = {name: analyze(table, consistent) for name, table in tables.items()}
    content: dict[str, Any] = {"data": str(options.data), "models": {n: asdict(a) for n, a in analyses.items()}}
    relations = relation_errors(first, consistent, *others)
    content["relations"] = [asdict(row) for row in relations]
    if others:
        content["cases"] = {
            kind: {"count": count, "shown": [asdict(case) for case in shown]}
            for kind, (count, shown) in cases(first, others[0], documents, options.cases).items()
        }
    write_json(output / "analysis.json", content)
    print("\n".join([summary_table(analyses), *(f"note: {note}" for note in no_prediction_notes(analyses))]))
    print(f"\n{relations_table(relations, predictor.schema.names)}")
    for kind, changed in content.get("cases", {}).items():
        print(f"\n{kind}: {changed['count']:,}")
        for case in changed["shown"][:CASES_SHOWN]:
            margins = f"{case['other_margin']:+.2f} → {case['margin']:+.2f}"
            print(f"  {margins}  {case['title']}: {case['head']} | {case['relation']} | {case['tail']}")
    print(
        f"\nwritten to {output}/: analysis.json"
        + (", plots" if write_plots(analyses, output) else " (no plots: matplotlib is not installed)")
    )


def write_plots(analyses: Mapping[str, Analysis], output: Path) -> bool:
    """Write the plots as PNG files. Returns False if matplotlib is not installed."""
    if not plots.available():
        return False
    for name, figure in figures(analyses).items():
        plots.save_png(figure, output / f"{name.replace(' ', '_')}.png")
    return True


def relations_table(relations: Sequence[RelationErrors], names: Mapping[str, str]) -> str:
    """The errors of the first relations as a text table, with the differences from another model if there is one."""
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
