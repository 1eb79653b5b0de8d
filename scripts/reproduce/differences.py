"""Which losses of a plan differ, by the test of `docre compare`.

For that a result keeps what its run predicted for each test document as counts. So runs can be compared that were made
on different machines, and whose folders are not there any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docre.commands.compare import scored
from docre.evaluation.seeds_table import compare_rows, markdown, notes

COUNTED = ("gold", "predicted", "correct", "correct_in_train")


def counts_of(trained: Path) -> dict[str, str]:
    """The numbers of gold triples, predictions, correct predictions and correct training facts of each test document,
    in the order of the file; the last number of each is for documents that do not exist. `trained`: a finished run."""
    ((scores,),) = scored([str(trained)]).values()
    columns = scores.counts[:, 0].T.astype(int)
    return {name: " ".join(map(str, column)) for name, column in zip(COUNTED, columns, strict=True)}


@dataclass(frozen=True)
class Counted:
    """The scores of a result on the test documents, as `docre.evaluation.seeds` compares them.

    counts: [D + 1, 1, 4], as those of docre.evaluation.Scores, of all triples.
    """

    f1: float
    ign_f1: float | None
    counts: NDArray[np.float64]


def with_counts(result: Mapping[str, Any]) -> Counted:
    """The scores of a result that has the counts of its documents."""
    columns = [[float(count) for count in result["counts"][name].split()] for name in COUNTED]
    return Counted(result["test"]["f1"], result["test"]["ign_f1"], np.array(columns).T[:, None])


def differences(by_loss: Mapping[str, Sequence[Mapping[str, Any]]], against: str | None) -> list[str]:
    """The lines of a Markdown table: how much each loss differs from the one that is called `against` (None: from the
    best), and notes. Empty if a result has no counts, or there is nothing to compare.

    by_loss: the results of the seeds of each loss.
    """
    if len(by_loss) < 2 or not all(result.get("counts") for runs in by_loss.values() for result in runs):
        return []
    groups = {loss: [with_counts(result) for result in runs] for loss, runs in by_loss.items()}
    rows = compare_rows(groups, against if against in groups else None)
    return [*markdown(rows).splitlines(), "", *(f"- {note}" for note in notes(rows))]
