"""How well a ranking finds what is known to be missing or wrong."""

from typing import Any

import numpy as np

from docre.analysis.table import Bools, Floats

CUTS = (100, 500)


def quality(scores: Floats, right: Bools) -> dict[str, Any]:
    """Precision at 100, at 500 and at n (n = the number of right ones), and average precision, as fractions.

    scores, right: [candidates] the higher the score, the earlier in the ranking. AP is the mean, over all right ones,
    of the precision at the place of each. Equal scores keep their order, which is that of the file.
    """
    hits = right[np.argsort(-scores, kind="stable")]
    found = np.cumsum(hits)
    total = int(found[-1]) if len(found) else 0
    places = np.flatnonzero(hits)
    precision = {f"at_{cut}": float(hits[:cut].mean()) if len(hits) else None for cut in CUTS}
    return precision | {
        "at_all": float(found[total - 1] / total) if total else None,
        "average_precision": float((found[places] / (places + 1)).mean()) if total else None,
        "candidates": len(scores),
        "right": total,
    }
