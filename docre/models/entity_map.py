"""Entity maps: a square of cells for each document, one cell for each ordered pair of its entities.

The maps of a batch are laid out one after another, each row by row (head by head), so that a tensor over them has one
dimension of cells: [cells, ...]. A map may have further rows and columns beyond its entities.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import pad

from docre.tensors import Batch, integers_on


def cell_entities(batch: Batch) -> tuple[Tensor, Tensor]:
    """The head and the tail of each cell, [cells] each: n * n cells for a document of n entities."""
    heads, tails, first = [], [], 0
    for n in batch.entity_counts:
        entities = torch.arange(first, first + n, device=batch.pair_head.device)
        heads.append(entities.repeat_interleave(n))
        tails.append(entities.repeat(n))
        first += n
    return torch.cat(heads), torch.cat(tails)


def pair_cells(batch: Batch, sides: Sequence[int], order: Sequence[int] | None = None) -> Tensor:
    """The cell of each pair, [pairs], where document d has a map of `sides[d]` * `sides[d]` cells.

    order: the documents in the order of their maps; by default that of the batch.
    """
    order = range(len(sides)) if order is None else order
    first = [0] * len(sides)
    for document, cells in zip(order, accumulate((sides[d] ** 2 for d in order), initial=0), strict=False):
        first[document] = cells
    entity = list(accumulate(batch.entity_counts, initial=0))[:-1]
    table = integers_on(batch.pair_head.device, (first, sides, entity))
    counts = integers_on(batch.pair_head.device, batch.pair_counts)
    start, side, offset = table.repeat_interleave(counts, dim=1, output_size=len(batch.pair_head))
    return start + (batch.pair_head - offset) * side + batch.pair_tail - offset


def extended(cells: Tensor, sides: Sequence[int], larger: Sequence[int], beyond: int) -> Tensor:
    """Maps of `sides`, each with further rows and columns up to the side in `larger` that hold `beyond`: [cells] ->
    [cells], of the larger maps."""
    parts = []
    for part, n, side in zip(cells.split([n * n for n in sides]), sides, larger, strict=True):
        parts.append(pad(part.view(n, n), (0, side - n, 0, side - n), value=beyond).flatten())
    return torch.cat(parts)
