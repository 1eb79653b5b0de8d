"""docre analyze: where a model's thresholds sit, which errors remain, how its margins are calibrated."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docre.analysis import RelationErrors, cases, plots, relation_errors, seen_types, type_consistent
from docre.analysis.summary import Analysis, analyze, figures, silent, summary_table
from docre.config.options import add_checkpoint_options
from docre.core.files import write_json
from docre.data.readers import READERS, read

SHOWN = 15  # relations in the printed table


def main(arguments: list[str]) -> None:
    """Analyze a checkpoint on labeled documents, alone or against another; print tables, write JSON and plots."""
    parser = argparse.ArgumentParser(
        prog="docre analyze",
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
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)

    from docre.inference.checkpoint import load
    from docre.inference.probe import margin_table

    predictor = load(options.checkpoint, changes=options.changes, plugins=options.plugins)
    reader = options.reader or predictor.config.data.reader
    documents = read(options.data, reader)
    seen = seen_types(read(options.train, reader)) if options.train else None
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


def draw(analyses: Mapping[str, Analysis], output: Path) -> bool:
    """Write the plots as PNG; False where matplotlib is missing."""
    if not plots.available():
        return False
    for name, figure in figures(analyses).items():
        plots.save_png(figure, output / f"{name.replace(' ', '_')}.png")
    return True


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
