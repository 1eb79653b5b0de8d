"""End-to-end scores as text tables, in percent."""

from docre.evaluation.end_to_end.scores import EndToEndScores, RelationScores
from docre.evaluation.scores import PRF
from docre.evaluation.table import percent

LEVELS = {
    "gold": "gold entities",
    "mentions": "predicted mentions",
    "clusters": "predicted clusters",
    "types": "predicted types",
}
WIDTH = 26


def end_to_end_table(scores: EndToEndScores) -> str:
    """Tables of entities, of relations, and of where the loss of relations comes from; "-" if undefined."""
    lines = [header("entities", "gold", "predicted", "correct")]
    lines += [
        prf_line("mentions", scores.mentions),
        prf_line("clusters", scores.clusters),
        prf_line("entities (with type)", scores.entities),
    ]
    for name, title in {"muc": "MUC", "b_cubed": "B-cubed", "ceaf_e": "CEAF-e"}.items():
        fractions = scores.coreference[name]
        lines.append(rates(title, fractions.p, fractions.r, fractions.f1))
    lines.append(f"{'mean of these three':<{WIDTH}}{percent(scores.coreference_f1):>23}")
    if scores.relaxed and scores.strict and scores.surface:
        lines += ["", header("relations", "gold", "predicted", "correct")]
        lines += relation_lines("relaxed", scores.relaxed) + relation_lines("strict (with types)", scores.strict)
        lines += [
            "",
            header("by texts only", "gold", "predicted", "correct"),
            prf_line("surface forms", scores.surface),
        ]
    if scores.levels:
        lines += ["", header("where the loss is", "lost", "of gold's")]
        lines += level_lines(scores.levels)
    return "\n".join(lines)


def relation_lines(name: str, scores: RelationScores) -> list[str]:
    """One line, or two if there is an Ign-F1."""
    lines = [prf_line(name, scores.all)]
    if scores.correct_in_train is not None:
        lines.append(f"{'  Ign (without train)':<{WIDTH}}{percent(scores.ign_f1):>23}")
    return lines


def level_lines(levels: dict[str, PRF]) -> list[str]:
    """One line for each level: its P, R and F1, what F1 has lost to the level before, and its share of the first."""
    lines = []
    first = before = None
    for name, prf in levels.items():
        f1 = prf.f1
        lost = "" if before is None or f1 is None else f"{100 * (f1 - before):+.2f}"
        share = percent(f1 / first) if first and f1 is not None and "gold" in levels else ""
        lines.append(f"{rates(LEVELS[name], prf.p, prf.r, f1)}{lost:>9}{share:>11}".rstrip())
        first, before = f1 if first is None else first, f1
    return lines


def header(title: str, *more: str) -> str:
    """The first line of a table."""
    return f"{title:<{WIDTH}}{'P':>7}{'R':>8}{'F1':>8}" + "".join(
        f"{name:>{width}}" for name, width in zip(more, (9, 11, 9), strict=False)
    )


def prf_line(name: str, prf: PRF) -> str:
    """P, R and F1 with their counts."""
    return f"{rates(name, prf.p, prf.r, prf.f1)}{prf.gold:>9}{prf.predicted:>11}{prf.correct:>9}"


def rates(name: str, *values: float | None) -> str:
    """A name with P, R and F1."""
    return f"{name:<{WIDTH}}{percent(values[0]):>7}" + "".join(f"{percent(value):>8}" for value in values[1:])
