"""Scores as text tables, in percent."""

from collections.abc import Mapping

from docre.evaluation.bootstrap import Difference, Interval
from docre.evaluation.scores import PRF, Scores

NAMES = {
    "intra": "intra-sentence",
    "inter": "inter-sentence",
    "frequent": "frequent relations",
    "long_tail": "long tail",
}


def scores_table(scores: Scores, intervals: Mapping[str, Interval] | None = None) -> str:
    """P, R and F1 of all triples, without training facts ("Ign"), and of each slice, with counts; "-" if undefined.

    intervals: the confidence intervals from docre.evaluation.bootstrap.intervals, shown at the end of the lines.
    """
    intervals = intervals or {}
    lines = [f"{'':<20}{'P':>7}{'R':>8}{'F1':>8}{'gold':>9}{'predicted':>11}{'correct':>9}"]
    lines.append(_score_line("all", scores.all, intervals.get("f1"), p=scores.p))
    if scores.ign_f1 is not None:
        ign = f"{'Ign (without train)':<20}{percent(scores.ign_p):>7}{percent(scores.r):>8}{percent(scores.ign_f1):>8}"
        lines.append(ign + f"{'':29}" + _interval(intervals.get("ign_f1")))
    for name, title in NAMES.items():
        lines.append(_score_line(title, getattr(scores, name), intervals.get(f"{name}_f1")))
    if scores.evidence is not None:
        lines.append(_score_line("evidence", scores.evidence, intervals.get("evidence_f1")))
    lines.append(f"{'macro F1':<20}{percent(scores.macro_f1):>23}")
    return "\n".join(line.rstrip() for line in lines)


def relations_table(scores: Scores) -> str:
    """P, R and F1 of each relation, the most frequent in the gold data first."""
    lines = [f"{'relation':<20}{'P':>7}{'R':>8}{'F1':>8}{'gold':>9}{'predicted':>11}{'correct':>9}"]
    return "\n".join(lines + [_score_line(relation, prf) for relation, prf in scores.per_relation.items()])


def differences_table(differences: Mapping[str, Difference]) -> str:
    """The differences between two submissions in percentage points, with 95% intervals and p-values."""
    lines = [f"{'difference':<20}{'points':>7}{'95% interval':>20}{'p':>9}"]
    for name, difference in differences.items():
        interval = f"[{100 * difference.low:+.2f}, {100 * difference.high:+.2f}]"
        lines.append(f"{name:<20}{100 * difference.value:>+7.2f}{interval:>20}{difference.p_value:>9.4f}")
    return "\n".join(lines)


def _score_line(name: str, prf: PRF, interval: Interval | None = None, p: float | None = None) -> str:
    p = prf.p if p is None else p
    rates = f"{name:<20}{percent(p):>7}{percent(prf.r):>8}{percent(prf.f1):>8}"
    return f"{rates}{prf.gold:>9}{prf.predicted:>11}{prf.correct:>9}{_interval(interval)}"


def percent(value: float | None) -> str:
    """A fraction in percent, with two digits; "-" for None."""
    return "-" if value is None else f"{100 * value:.2f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"   F1 95% [{100 * interval.low:.2f}, {100 * interval.high:.2f}]"
