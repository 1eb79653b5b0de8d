"""How well an audit, and one model alone, find what is known to be missing or wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from docre.analysis.curves import reliability_bins
from docre.analysis.table import Bools
from docre.audit import Audit
from docre.audit.damage import Damage, marked
from docre.audit.judging import Judgment, score
from docre.audit.suggestions import KINDS, Suggestion
from docre.inference.probe import margin_table
from docre.inference.scorer import PairScorer
from scripts.audit.ranking import quality

BINS = 5  # of the suggestions' probabilities


def audited(audit: Audit, known: Damage) -> tuple[dict[str, Any], list[Suggestion]]:
    """The quality of the audit's two rankings, of those of the models alone that have not seen the labels, and of the
    probabilities of its suggestions; how many faults it expects; and the suggestions."""
    rankings = {"audit": "probability"}
    if len(audit.folds) > 1:  # with one, all models have seen all labels
        rankings["held_out"] = "held_out"
    scores: dict[tuple[str, str], list[Any]] = {(by, kind): [] for by in rankings for kind in KINDS}
    right: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    faulty = {"missing": known.missing, "wrong": known.wrong}

    def watch(positions: Sequence[int], judgment: Judgment, probes: Bools) -> None:
        for kind in KINDS:
            where = judgment.candidates(kind) & ~probes
            right[kind].append(marked(judgment.table, faulty[kind], positions)[where])
            for by, field in rankings.items():
                scores[by, kind].append(score(getattr(judgment, field)[where], kind))

    suggestions, faults = audit.suggest(watch)
    found: dict[str, dict[str, Any]] = {by: {} for by in rankings}
    for (by, kind), of_ranking in scores.items():
        found[by][kind] = quality(np.concatenate(of_ranking), np.concatenate(right[kind]))
    for kind in KINDS:
        of_kind = [s for s in suggestions.suggestions if s.kind == kind]
        probability = np.array([s.probability for s in of_kind])
        hits = np.array([(s.document, s.head, s.tail, s.relation) in faulty[kind] for s in of_kind], dtype=bool)
        bins, _ = reliability_bins(probability, hits, BINS)
        found["audit"][kind] |= {"expected": faults[kind].number, "bins": [b._asdict() for b in bins]}
    return found, list(suggestions.suggestions)


def by_margin(predictor: PairScorer, known: Damage) -> dict[str, Any]:
    """The quality of the rankings by the margins of one model on the documents that it was trained on."""
    table = margin_table(predictor, known.documents, progress=True)
    places = range(len(known.documents))
    missing, wrong = (marked(table, cells, places) for cells in (known.missing, known.wrong))
    return {
        "missing": quality(table.margins[~table.labels], missing[~table.labels]),
        "wrong": quality(-table.margins[table.labels], wrong[table.labels]),
    }
