"""Axial attention over entity maps: each cell attends to the cells of its tail and to those of its head."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from docre.models.products import Linear


@dataclass(frozen=True)
class Maps:
    """The shape of the maps in a tensor [cells, ...] (see docre.models.entity_map).

    sides: of each map.
    equal: for each map the number of equal rows, and of equal columns, that its last row and its last column stand for.
    """

    sides: Sequence[int]
    equal: Sequence[int]


class LineAttention(nn.Module):
    """Multi-head self-attention among the cells of each line of a map, without mask and positions.

    A line whose last cell stands for m equal cells is computed as if all were there: the softmax has m equal terms for
    them, exp(s) each, which is one of exp(s + ln m).
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(size, size, bias=False)
        self.to_kv = Linear(size, 2 * size, bias=False)
        self.to_out = Linear(size, size)

    def forward(self, cells: Tensor, maps: Maps, columns: bool) -> Tensor:
        """[cells, size] -> [cells, size]; a line is a column of a map (a tail) or a row (a head)."""
        projected = torch.cat([self.to_q(cells), self.to_kv(cells)], dim=1)
        if cells.device.type == "cpu":
            # In bf16 the backward pass of attention takes five times as long there: lines are short.
            projected = projected.to(torch.promote_types(projected.dtype, torch.float32))
        mixed = []
        for part, side, equal in zip(projected.split([s * s for s in maps.sides]), maps.sides, maps.equal, strict=True):
            lines = part.view(side, side, 3, self.heads, cells.shape[1] // self.heads)
            q, k, v = (lines.transpose(0, 1) if columns else lines).permute(2, 0, 3, 1, 4).unbind(0)
            bias = None
            if equal > 1:
                bias = q.new_zeros(1, 1, 1, side)
                bias[..., -1] = log(equal)
            with torch.autocast(cells.device.type, enabled=False):
                out = scaled_dot_product_attention(q, k, v, attn_mask=bias)  # [lines, heads, cells, size of a head]
            mixed.append(out.permute(2, 0, 1, 3) if columns else out.transpose(1, 2))
        return self.to_out(torch.cat([out.flatten(2).flatten(0, 1) for out in mixed]))


class AxialLayer(nn.Module):
    """X <- LN(W (X + Col(X) + Row(X)) + b): no activation, no residual around W, and the norm last."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.column = LineAttention(size, heads)
        self.row = LineAttention(size, heads)
        self.linear = Linear(size, size)
        self.norm = nn.LayerNorm(size)

    def forward(self, cells: Tensor, maps: Maps) -> Tensor:
        """[cells, size] -> [cells, size]."""
        attended = self.column(cells, maps, columns=True) + self.row(cells, maps, columns=False)
        return self.norm(self.linear(cells + attended))


class Axial(nn.ModuleList):
    """Axial layers, one after another (Tan et al. 2022, section 3.1)."""

    def __init__(self, size: int, heads: int, layers: int) -> None:
        super().__init__(AxialLayer(size, heads) for _ in range(layers))

    def forward(self, cells: Tensor, maps: Maps) -> Tensor:
        """[cells, size] -> [cells, size]."""
        for layer in self:
            cells = layer(cells, maps)
        return cells
