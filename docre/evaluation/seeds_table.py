"""Tables of comparisons over seeds, in the form in which papers print them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from docre.errors import DocreError
from docre.evaluation.seeds import LEVEL, POWER, WANTED, Mean, Scored, SeedDifference, compare_seeds, holm, mean_score


@dataclass(frozen=True)
class Row:
    """A model.

    f1, ign_f1: over its seeds; Ign-F1 is None without a training set.
    difference: to the model that others are compared with, in F1; None for that model itself. Its p-value is adjusted
                for the number of comparisons (Holm).
    best, best_ign: whether its mean F1, and its mean Ign-F1, is the highest.
    """

    name: str
    f1: Mean
    ign_f1: Mean | None
    difference: SeedDifference | None
    best: bool
    best_ign: bool
    comparisons: int

    @property
    def significant(self) -> bool:
        """Whether its F1 differs from that of the model that it is compared with. Ign-F1 is not tested."""
        return self.difference is not None and self.difference.p_value < LEVEL

    def to_json(self) -> dict[str, Any]:
        """All numbers, for JSON files; scores are fractions."""

        def numbers(mean: Mean | None) -> dict[str, Any] | None:
            return None if mean is None else {"mean": mean.mean, "std": mean.std, "values": list(mean.values)}

        difference = self.difference and asdict(self.difference)
        return {"name": self.name, "f1": numbers(self.f1), "ign_f1": numbers(self.ign_f1), "difference": difference}


def compare_rows(groups: Mapping[str, Sequence[Scored]], against: str | None = None, samples: int = 2000) -> list[Row]:
    """The models with the scores of their runs, compared with the one that is called `against` (by default the best).
    Raises DocreError if there is none of that name.

    The p-values are adjusted for the number of comparisons: k - 1 of k models; all k (k - 1) / 2 if the scores
    themselves chose with which model the others are compared.
    """
    means = {name: mean_score(runs) for name, runs in groups.items()}
    ign_means = {name: mean_score(runs, "ign_f1") for name, runs in groups.items()}
    best, best_ign = highest(means), highest(ign_means)
    assert best is not None, "F1 is always defined"
    comparisons = len(groups) * (len(groups) - 1) // 2 if against is None else len(groups) - 1
    against = best if against is None else against
    if against not in groups:
        raise DocreError(f"--against: expected one of {', '.join(map(repr, groups))}, got {against!r}")
    others = [name for name in groups if name != against]
    found = {name: compare_seeds(groups[name], groups[against], samples=samples) for name in others}
    adjusted = dict(zip(others, holm([found[name].p_value for name in others], comparisons), strict=True))
    rows = []
    for name, f1 in means.items():
        assert f1 is not None
        difference = replace(found[name], p_value=adjusted[name]) if name in found else None
        rows.append(Row(name, f1, ign_means[name], difference, name == best, name == best_ign, comparisons))
    return rows


def highest(means: Mapping[str, Mean | None]) -> str | None:
    """The name of the highest mean; None if none is defined."""
    defined = {name: mean.mean for name, mean in means.items() if mean is not None}
    return max(defined, key=lambda name: defined[name], default=None)


def cells(row: Row, plus_minus: str = " ± ") -> list[str]:
    """Name, seeds, F1, Ign-F1, difference, interval and p-value, in percent."""

    def score(mean: Mean | None) -> str:
        if mean is None:
            return "-"
        return f"{100 * mean.mean:.2f}" + ("" if mean.std is None else f"{plus_minus}{100 * mean.std:.2f}")

    d = row.difference
    compared = (
        ["-"] * 3
        if d is None
        else [f"{100 * d.value:+.2f}", f"[{100 * d.low:+.2f}, {100 * d.high:+.2f}]", f"{d.p_value:.3f}"]
    )
    return [row.name, str(len(row.f1.values)), score(row.f1), score(row.ign_f1), *compared]


HEADER = ["model", "seeds", "F1", "Ign-F1", "difference", "95% interval", "p"]


def text(rows: Sequence[Row]) -> str:
    """Columns; an asterisk marks an F1 that differs significantly."""
    table = [HEADER, *([*cells(row)[:-1], cells(row)[-1] + "*" * row.significant] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADER))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in table)


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table, the best F1 and the best Ign-F1 in bold; an asterisk marks a p-value below 5%, which is that of
    F1."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" + " ---: |" * (len(HEADER) - 1)]
    for row in rows:
        values = [cell.replace("|", "\\|") for cell in cells(row)]
        for column, best in ((2, row.best), (3, row.best_ign)):
            values[column] = f"**{values[column]}**" if best else values[column]
        lines.append("| " + " | ".join([*values[:-1], values[-1] + "\\*" * row.significant]) + " |")
    return "\n".join(lines)


def latex(rows: Sequence[Row]) -> str:
    """The body of a table with booktabs: F1 and Ign-F1 as mean ± deviation, the best of each in bold. A dagger marks an
    F1 that differs significantly; Ign-F1 is not tested, and has none."""
    lines = ["\\begin{tabular}{lrr}", "\\toprule", "Model & F1 & Ign-F1 \\\\", "\\midrule"]
    for row in rows:
        name, _, f1, ign_f1, *_ = cells(row, " \\pm ")
        f1 = f"\\mathbf{{{f1}}}" if row.best else f1
        ign_f1 = f"\\mathbf{{{ign_f1}}}" if row.best_ign else ign_f1
        f1 += "^\\dagger" * row.significant
        lines.append(f"{escape(name)} & ${f1}$ & {'-' if ign_f1 == '-' else f'${ign_f1}$'} \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def escape(name: str) -> str:
    """A name in LaTeX."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in name)


def comma_separated(rows: Sequence[Row]) -> str:
    """Numbers as fractions, with all digits."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["model", "seeds", "f1", "f1_std", "ign_f1", "ign_f1_std", "difference", "low", "high", "p"])
    for row in rows:
        ign, d = row.ign_f1, row.difference
        scores = [row.f1.mean, row.f1.std, ign and ign.mean, ign and ign.std]
        writer.writerow(
            [row.name, len(row.f1.values), *scores, *([None] * 4 if d is None else [d.value, d.low, d.high, d.p_value])]
        )
    return file.getvalue().rstrip("\n")


def notes(rows: Sequence[Row]) -> list[str]:
    """What the table means, and how many seeds would be needed."""
    reference = next(row.name for row in rows if row.difference is None)
    lines = []
    if len(rows) > 1:
        adjusted = f"p is adjusted for {rows[0].comparisons} comparisons (Holm)"
        lines.append(f"difference: F1 minus that of {reference!r}" + f"; {adjusted}" * (len(rows) > 2))
    if any(len(row.f1.values) == 1 for row in rows):
        lines.append("a model with a single seed: nothing tells how much another seed would change it")
    for row in rows:
        d = row.difference
        if d is not None and d.seeds_only is not None:
            enough = "no number of seeds is" if d.needed is None else f"{d.needed} seeds each are"
            lines.append(
                f"{row.name}: the difference has a deviation of {100 * d.seeds_only:.2f} over seeds and of "
                f"{100 * d.documents_only:.2f} over documents; {enough} enough to find one of {100 * WANTED:.1f} F1 "
                f"with a probability of {100 * POWER:.0f}% on these documents"
            )
    return lines


FORMATS = {"text": text, "markdown": markdown, "latex": latex, "csv": comma_separated}
