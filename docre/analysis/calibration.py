"""Calibration: a shift of the margins, chosen on dev, that trades precision against recall."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from docre.analysis.curves import Cuts, cuts
from docre.analysis.table import Bools, Floats, MarginTable, keep_best
from docre.core.files import read_json, write_json
from docre.errors import DocreError

ROUNDS = 20  # of the search for the best F1 by relation; it settles after a few
SHRINKAGE = 20.0  # gold triples of a relation at which its own shift and the common one weigh the same


@dataclass(frozen=True)
class Calibration:
    """What is added to the margin of each relation before the decision: predicted where d_r + shift_r > 0.

    relations: the model's, in order.
    shift:     one number for each.
    purpose:   what it was chosen for, in words.
    weights:   the SHA-256 of the weights that it was chosen for; None where that is not known.
    """

    relations: tuple[str, ...]
    shift: tuple[float, ...]
    purpose: str
    weights: str | None = None

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        write_json(path, asdict(self))

    def check_relations(self, relations: tuple[str, ...], source: str) -> None:
        """Raises DocreError, beginning with `source`, unless it is for these relations."""
        if relations != self.relations:
            raise DocreError(f"{source}: made for a model with other relations ({len(self.relations)} of them)")

    def check_weights(self, weights: str | None, source: str) -> None:
        """Raises DocreError, beginning with `source`, unless it is for these weights: what suits the margins of one
        model can silence another."""
        if self.weights is None or weights != self.weights:
            made = "other weights" if self.weights else "weights that it does not name"
            raise DocreError(f"{source}: made for {made}: run docre calibrate for this checkpoint, or add --force")


def load_calibration(path: str | Path) -> Calibration:
    """The calibration that `save` wrote. Raises DocreError for anything else."""
    value: Any = read_json(path)
    expected = f"{path}: expected a calibration, as docre calibrate writes it"
    if not isinstance(value, dict) or set(value) - {"weights"} != {"relations", "shift", "purpose"}:
        raise DocreError(expected)
    relations, shift, weights = value["relations"], value["shift"], value.get("weights")
    fits = isinstance(relations, list) and isinstance(shift, list) and len(relations) == len(shift)
    if not fits or not all(type(number) in (int, float) and np.isfinite(number) for number in shift):
        raise DocreError(f"{expected}: one finite number in 'shift' for each of 'relations'")
    if not isinstance(weights, str | None):
        raise DocreError(f"{expected}: a text in 'weights'")
    return Calibration(tuple(relations), tuple(map(float, shift)), str(value["purpose"]), weights)


def calibrate(
    table: MarginTable,
    precision: float | None = None,
    recall: float | None = None,
    per_relation: bool = False,
    shrinkage: float = SHRINKAGE,
    top_k: int = -1,
) -> Calibration:
    """The shift that gives the best F1 on the table, or, with the most recall, at least `precision`, or, with the
    most precision that a single cut allows, at least `recall` (fractions).

    One shift b is common to all relations. `per_relation` adds one for each, shrunk towards the common one:

        shift_r = b + n_r / (n_r + shrinkage) (b_r - b)

    with n_r gold triples and b_r the best shift of the relation by itself (see `relation_shifts`); then the common part
    is chosen once more. Of each pair the `top_k` highest scores can be predicted at most, as in the decision (losses
    whose groups of relations have a limit of their own each are treated as if the limit were common).

    Raises DocreError where the precision or the recall cannot be reached, or nothing is labeled.
    """
    if not table.gold:
        raise DocreError("no relation is labeled, so nothing can be calibrated")
    allowed = keep_best(np.ones_like(table.labels), table.scores, top_k)
    common = _common_shift(table, allowed, 0.0, precision, recall)
    shift = np.full(len(table.relations), common)
    if per_relation:
        best = _common_shift(table, allowed, 0.0, None, None)
        own = relation_shifts(table, allowed, best)
        positives = table.labels.sum(axis=0)
        weight = positives / np.maximum(positives + shrinkage, 1e-9)
        shift = best + weight * (own - best)
        shift = shift + _common_shift(table, allowed, shift, precision, recall)
    purpose = "the best F1"
    if precision is not None or recall is not None:
        purpose = f"precision {precision:g}" if precision is not None else f"recall {recall:g}"
    kind = f"a shift for each relation (shrinkage {shrinkage:g})" if per_relation else "one shift for all relations"
    return Calibration(table.relations, tuple(shift.tolist()), f"{purpose}, {kind}")


def relation_shifts(table: MarginTable, allowed: Bools, start: float) -> Floats:
    """b_r: the shifts that together give the best micro F1, [R]; `start` for relations without a gold triple.

    2 C / (P + G) is the largest F for which some shifts have sum_r (2 C_r - F P_r) >= F G, and this sum is largest
    where each of its terms is. So each relation takes the cut with the largest 2 C_r - F P_r, F becomes the F1 of these
    cuts, and so on until it stays (Dinkelbach 1967).
    """
    options: list[Cuts | None] = []
    fixed = 0  # predictions of relations without a gold triple
    for r in range(len(table.relations)):
        rows = allowed[:, r]
        labels, margins = table.labels[rows, r], table.margins[rows, r]
        options.append(cuts(margins, labels) if labels.any() else None)
        fixed += 0 if labels.any() else int((margins + start > 0).sum())
    score, shift = 0.0, np.full(len(options), float(start))
    for _ in range(ROUNDS):
        correct, predicted = 0, fixed
        for r, option in enumerate(options):
            if option is not None:
                place = int(np.argmax(2 * option.correct - score * option.taken))
                correct += int(option.correct[place])
                predicted += int(option.taken[place])
                shift[r] = option.shift[place]
        reached = 2 * correct / (predicted + table.gold)
        if abs(reached - score) < 1e-12:
            break
        score = reached
    return shift


def _common_shift(
    table: MarginTable, allowed: Bools, given: Floats | float, precision: float | None, recall: float | None
) -> float:
    """The number to add to all margins, beyond `given`."""
    option = cuts((table.margins + given)[allowed], table.labels[allowed])
    taken, correct = option.taken, option.correct
    if precision is not None:
        (reached,) = np.nonzero(correct / np.maximum(1, taken) >= precision)
        reached = reached[taken[reached] > 0]
        if not len(reached):
            best = float((correct[1:] / np.maximum(1, taken[1:])).max(initial=0))
            raise DocreError(f"a precision of {precision:g} cannot be reached: the highest is {best:.4f}")
        place = reached[-1]
    elif recall is not None:
        (reached,) = np.nonzero(correct / table.gold >= recall)
        if not len(reached):
            best = float(correct[-1] / table.gold)
            raise DocreError(f"a recall of {recall:g} cannot be reached: the highest is {best:.4f}")
        place = reached[0]
    else:
        place = int(np.argmax(2 * correct / (taken + table.gold)))
    return float(option.shift[place])
