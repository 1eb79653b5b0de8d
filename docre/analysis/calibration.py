"""Calibration: a shift of the margins, chosen on dev, that trades precision against recall."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from docre.analysis.confidence import EndToEnd
from docre.analysis.curves import Cuts, cuts
from docre.analysis.platt import Platt, fit_platt
from docre.analysis.table import Bools, Floats, MarginTable, keep_best
from docre.core.files import read_json, write_json
from docre.errors import DocreError

ROUNDS = 20  # most iterations of the search for the best shift per relation; it converges after a few
LARGEST = 1e6  # magnitude of a number in a file
SHRINKAGE = 20.0  # number of gold triples at which the shift of a relation and the common shift have equal weight


@dataclass(frozen=True)
class Calibration:
    """A shift that is added to the margins before the decision: relation r is predicted where d_r + shift_r > 0.

    relations: the model's relations, in order.
    shift:     one number for each relation.
    purpose:   what the shift was chosen for, in words.
    weights:   the SHA-256 of the model weights that it was chosen for; None if unknown.
    platt:     slope and intercept that turn a shifted margin into a probability (see docre.analysis.platt); None in the
               files of docre 0.1.
    end_to_end: the probabilities of triples of plain text (see docre.analysis.confidence); None if it was fitted on
               documents with given entities only.
    """

    relations: tuple[str, ...]
    shift: tuple[float, ...]
    purpose: str
    weights: str | None = None
    platt: Platt | None = None
    end_to_end: EndToEnd | None = None

    @classmethod
    def without_shift(cls, table: MarginTable, before: "Calibration | None" = None) -> "Calibration":
        """Probabilities fitted on a table; the decisions stay as they are, with the shift of an earlier calibration if
        the table's margins have one."""
        if before is not None and any(before.shift):
            return replace(before, platt=fit_platt(table), end_to_end=None)
        return cls(table.relations, (0.0,) * len(table.relations), "probabilities only", platt=fit_platt(table))

    def save(self, path: str | Path) -> None:
        """Write the calibration to a JSON file."""
        write_json(path, asdict(self))

    def check_relations(self, relations: tuple[str, ...], source: str) -> None:
        """Raises DocreError, beginning with `source`, unless the calibration is for these relations."""
        if relations != self.relations:
            raise DocreError(f"{source}: made for a model with other relations ({len(self.relations)} of them)")

    def check_weights(self, weights: str | None, source: str) -> None:
        """Raises DocreError, beginning with `source`, unless the calibration is for these weights: the shift that suits
        one model can keep another from predicting anything."""
        if self.weights is None or weights != self.weights:
            made = "other weights" if self.weights else "weights that it does not name"
            raise DocreError(f"{source}: made for {made}: run docre calibrate for this checkpoint, or add --force")


def load_calibration(path: str | Path) -> Calibration:
    """Read a calibration that `save` wrote. Raises DocreError for any other content."""
    value: Any = read_json(path)
    expected = f"{path}: expected a calibration, as docre calibrate writes it"
    optional = {"weights", "platt", "end_to_end"}
    if not isinstance(value, dict) or set(value) - optional != {"relations", "shift", "purpose"}:
        raise DocreError(expected)
    relations, shift, weights = value["relations"], value["shift"], value.get("weights")
    fits = isinstance(relations, list) and isinstance(shift, list) and len(relations) == len(shift)
    if not fits or not all(map(is_finite, shift)):
        raise DocreError(f"{expected}: one finite number in 'shift' for each of 'relations'")
    if not isinstance(weights, str | None):
        raise DocreError(f"{expected}: a string in 'weights'")
    platt = value.get("platt")
    if platt is not None:
        if not isinstance(platt, list) or len(platt) != 2 or not all(map(is_finite, platt)):
            raise DocreError(f"{expected}: slope and intercept, two finite numbers, in 'platt'")
        platt = Platt(*map(float, platt))
    end_to_end = value.get("end_to_end")
    if end_to_end is not None:
        numbers = end_to_end[:-1] if isinstance(end_to_end, list) else []
        if len(numbers) != 4 or not all(map(is_finite, numbers)) or not isinstance(end_to_end[-1], str):
            raise DocreError(f"{expected}: four finite numbers and a tagger's name in 'end_to_end'")
        relation, mentions, entities, intercept = map(float, numbers)
        end_to_end = EndToEnd(relation, mentions, entities, intercept, end_to_end[-1])
    shifts = tuple(map(float, shift))
    return Calibration(tuple(relations), shifts, str(value["purpose"]), weights, platt, end_to_end)


def is_finite(value: Any) -> bool:
    """Whether a value is a number, and one that can be multiplied with margins and stays finite."""
    return type(value) in (int, float) and abs(value) <= LARGEST


def calibrate(
    table: MarginTable,
    precision: float | None = None,
    recall: float | None = None,
    per_relation: bool = False,
    shrinkage: float = SHRINKAGE,
    top_k: int = -1,
) -> Calibration:
    """Choose the shift that gives the best F1 on the table.

    With `precision` (a fraction), choose the shift with the highest recall whose precision is at least that. With
    `recall`, choose the smallest shift whose recall is at least that, so that precision is as high as it can be.

    By default all relations share one shift b. `per_relation` gives each relation its own, shrunk towards b:

        shift_r = b + n_r / (n_r + shrinkage) (b_r - b)

    where n_r is the number of gold triples of the relation and b_r its own best shift (see `relation_shifts`); then a
    common shift is chosen once more on top. For each pair at most the `top_k` relations with the highest scores can be
    predicted, as in the decision. (A loss with one limit per group of relations is treated as if it had one limit.)

    Raises DocreError if the precision or the recall cannot be reached, or if nothing is labeled.
    """
    if not table.gold:
        raise DocreError("no relation is labeled, so nothing can be calibrated")
    shift = common_shift(table, np.zeros(len(table.relations)), top_k, precision, recall)
    if per_relation:
        best = float(common_shift(table, np.zeros(len(table.relations)), top_k)[0])
        own = relation_shifts(table, keep_best(np.ones_like(table.labels), table.scores, top_k), best)
        positives = table.labels.sum(axis=0)
        weight = positives / np.maximum(positives + shrinkage, 1e-9)
        shift = best + weight * (own - best)
        shift = common_shift(table, shift, top_k, precision, recall)
    purpose = "the best F1"
    if precision is not None or recall is not None:
        purpose = f"precision {precision:g}" if precision is not None else f"recall {recall:g}"
    kind = f"a shift for each relation (shrinkage {shrinkage:g})" if per_relation else "one shift for all relations"
    platt = fit_platt(table.shifted(shift, top_k))
    return Calibration(table.relations, tuple(shift.tolist()), f"{purpose}, {kind}", platt=platt)


def relation_shifts(table: MarginTable, allowed: Bools, start: float) -> Floats:
    """b_r, [R]: the shifts that together give the best micro F1; `start` for relations without a gold triple.

    With C_r correct ones among the P_r predictions of relation r, and G gold triples in all, the best
    F1 = 2 C / (P + G) is the largest F for which some shifts reach sum_r (2 C_r - F P_r) >= F G. The terms of the sum
    are independent, so each relation takes the cut with the largest 2 C_r - F P_r. Then F becomes the F1 of these cuts,
    and the step is repeated until F no longer changes (Dinkelbach 1967).
    """
    cuts_by_relation: list[Cuts | None] = []
    fixed = 0  # predictions of relations without a gold triple
    for r in range(len(table.relations)):
        rows = allowed[:, r]
        labels, margins = table.labels[rows, r], table.margins[rows, r]
        cuts_by_relation.append(cuts(margins, labels) if labels.any() else None)
        fixed += 0 if labels.any() else int((margins + start > 0).sum())
    score, shift = 0.0, np.full(len(cuts_by_relation), float(start))
    for _ in range(ROUNDS):
        correct, predicted = 0, fixed
        for r, candidates in enumerate(cuts_by_relation):
            if candidates is not None:
                best_cut = int(np.argmax(2 * candidates.correct - score * candidates.taken))
                correct += int(candidates.correct[best_cut])
                predicted += int(candidates.taken[best_cut])
                shift[r] = candidates.shift[best_cut]
        reached = 2 * correct / (predicted + table.gold)
        if abs(reached - score) < 1e-12:
            break
        score = reached
    return shift


def displaced(margins: Floats, scores: Floats, top_k: int) -> Floats:
    """At which threshold each candidate triple is no longer predicted, [pairs, R]: where `top_k` relations of its pair
    with higher scores have margins above the threshold. -inf if there are not so many."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ordered = np.take_along_axis(margins, order, axis=1)
    best = np.full((len(margins), top_k), -np.inf, dtype=margins.dtype)  # the highest margins so far, the least first
    limit = np.empty_like(margins)
    for rank in range(margins.shape[1]):
        limit[:, rank] = best[:, 0]
        best[:, 0] = np.maximum(best[:, 0], ordered[:, rank])
        best.sort(axis=1)
    found = np.empty_like(margins)
    np.put_along_axis(found, order, limit, axis=1)
    return found


def common_shift(
    table: MarginTable, base: Floats, top_k: int, precision: float | None = None, recall: float | None = None
) -> Floats:
    """`base` [R] with the best common shift added to it."""
    shifted = table.shifted(base).margins
    dropped = displaced(shifted, table.scores, top_k).ravel() if 0 < top_k < len(table.relations) else None
    candidates = cuts(shifted.ravel(), table.labels.ravel(), dropped)
    taken, correct = candidates.taken, candidates.correct
    if precision is None and recall is None:
        return base + candidates.shift[np.argmax(2 * correct / (taken + table.gold))]
    if precision is not None:
        rates, goal, name = correct / np.maximum(1, taken), precision, "precision"
        (reached,) = np.nonzero((rates >= goal) & (taken > 0))
        reached = reached[np.argsort(-correct[reached], kind="stable")]
    else:
        assert recall is not None
        rates, goal, name = correct / table.gold, recall, "recall"
        (reached,) = np.nonzero(rates >= goal)
    for step in steps(len(reached)):
        shift = base + candidates.shift[reached[step]]
        found = table.shifted(shift, top_k).predicted
        right = int((found & table.labels).sum())
        if right / (max(1, int(found.sum())) if name == "precision" else table.gold) >= goal:
            return shift
    best = float(rates[taken > 0].max(initial=0))
    raise DocreError(f"a {name} of {goal:g} cannot be reached: the highest is {best:.4f}")


def steps(count: int) -> Iterator[int]:
    """0, 1, 3, 7, ... below `count`, and the last: which of many cuts are tried, in case that the sum of two shifts is
    rounded so that a margin at the cut falls to its other side."""
    step = 0
    while step < count - 1:
        yield step
        step = 2 * step + 1
    if count:
        yield count - 1
