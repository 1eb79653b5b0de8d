"""3 x 3 convolutions on a CPU with a quarter of the multiplications: Winograd's minimal filtering F(4 x 4, 3 x 3).

Where PyTorch's matrix products are much slower than its convolutions, the latter are faster all the same.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (CVPR). A map is cut into tiles of 4 x 4 cells,
each of which is computed from the 6 x 6 cells around it:  Y = A^T [(G w G^T) * (B^T x B)] A,  summed over the channels
in the middle. The matrices belong to the points 0, 1, -1, 1/2 and -2, which lose less precision than whole numbers do:
about as much as a direct convolution.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from docre.models.products import onednn_is_faster

Matrix = list[list[float]]

TILE, PATCH = 4, 6
FEW = 8  # a map with a smaller side, or with fewer channels, is not worth the transformations
A: Matrix = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 1 / 2, -2, 0], [0, 1, 1, 1 / 4, 4, 0], [0, 1, -1, 1 / 8, -8, 1]]
G: Matrix = [
    [1, 0, 0],
    [1 / 3, 1 / 3, 1 / 3],
    [-1 / 3, 1 / 3, -1 / 3],
    [-16 / 15, -8 / 15, -4 / 15],
    [1 / 15, -2 / 15, 4 / 15],
    [0, 0, 1],
]
B: Matrix = [
    [1, -3 / 2, -2, 3 / 2, 1, 0],
    [0, -1, 1 / 2, 5 / 2, 1, 0],
    [0, 1, -5 / 2, 1 / 2, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 1 / 2, -1, -1 / 2, 1, 0],
    [0, 1, -3 / 2, -2, 3 / 2, 1],
]


class Convolution(nn.Conv2d):
    """A 3 x 3 convolution that keeps a map's side: nn.Conv2d(channels, out, 3, padding=1), but faster on a CPU."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """[documents, channels, side, side] -> [documents, out, side, side]."""
        few = min(maps.shape[-1], *self.weight.shape[:2]) < FEW
        if few or maps.device.type != "cpu" or torch.is_autocast_enabled("cpu") or onednn_is_faster():
            return super().forward(maps)
        assert self.bias is not None
        cells = _Winograd.apply(maps.permute(0, 2, 3, 1), self.weight) + self.bias
        return cells.permute(0, 3, 1, 2)


class _Winograd(torch.autograd.Function):
    """maps [documents, side, side, channels], weight [out, channels, 3, 3] -> [documents, side, side, out].

    The backward pass computes the transformed maps again, as they are more than twice as large as the maps.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        (documents, side), tiles = maps.shape[:2], tiles_across(maps)
        products = torch.bmm(transformed_maps(maps), transformed_weight(weight).mT)  # [36, tiles, out]
        cells = both_sides(A, products.view(PATCH, PATCH, -1))
        cells = cells.view(TILE, TILE, documents, tiles, tiles, -1).permute(2, 3, 0, 4, 1, 5)
        return cells.reshape(documents, tiles * TILE, tiles * TILE, -1)[:, :side, :side]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        maps, weight = ctx.saved_tensors
        (documents, side, _, channels), tiles = maps.shape, tiles_across(maps)
        missing = tiles * TILE - side
        cells = pad(gradient, (0, 0, 0, missing, 0, missing)).view(documents, tiles, TILE, tiles, TILE, -1)
        cells = cells.permute(2, 4, 0, 1, 3, 5).reshape(TILE, TILE, -1)
        products = both_sides(A, cells, transposed=True).view(PATCH * PATCH, -1, len(weight))
        transformed = transformed_maps(maps)
        d_weight = torch.bmm(products.mT, transformed).view(PATCH, PATCH, -1)
        torch.bmm(products, transformed_weight(weight), out=transformed)  # now its gradient
        patches = both_sides(B, transformed.view(PATCH, PATCH, -1), transposed=True)
        d_maps = maps.new_zeros(documents, tiles * TILE + 2, tiles * TILE + 2, channels)
        for place, patch in zip(places(d_maps), patches.flatten(0, 1), strict=True):
            place += patch.view_as(place)
        d_weight = both_sides(G, d_weight, transposed=True).view(3, 3, -1, channels).permute(2, 3, 0, 1)
        return d_maps[:, 1 : side + 1, 1 : side + 1], d_weight


def transformed_maps(maps: Tensor) -> Tensor:
    """B^T x B of all patches: [documents, side, side, channels] -> [36, tiles of all documents, channels]."""
    end = tiles_across(maps) * TILE + 1 - maps.shape[1]
    patches = torch.stack(places(pad(maps, (0, 0, 1, end, 1, end))))
    return both_sides(B, patches.view(PATCH, PATCH, -1)).view(PATCH * PATCH, -1, maps.shape[3])


def transformed_weight(weight: Tensor) -> Tensor:
    """G w G^T of all filters: [out, channels, 3, 3] -> [36, out, channels]."""
    filters = weight.permute(2, 3, 0, 1).reshape(3, 3, -1)
    return both_sides(G, filters).view(PATCH * PATCH, *weight.shape[:2])


def both_sides(rows: Matrix, squares: Tensor, transposed: bool = False) -> Tensor:
    """M x M^T of many squares x, [n, n, squares] -> [m, m, squares]; with `transposed`, M^T x M."""
    matrix = squares.new_tensor(rows)
    matrix = matrix.T if transposed else matrix
    half = (matrix @ squares.flatten(1)).view(len(matrix), squares.shape[1], -1)
    return torch.matmul(matrix, half)


def places(padded: Tensor) -> list[Tensor]:
    """For each of the 36 places in a patch the cells there, views [documents, tiles, tiles, channels]."""
    reach = padded.shape[1] - 2
    return [padded[:, i : i + reach : TILE, j : j + reach : TILE] for i in range(PATCH) for j in range(PATCH)]


def tiles_across(maps: Tensor) -> int:
    """How many tiles beside each other cover the maps, [documents, side, side, channels]."""
    return -(-maps.shape[1] // TILE)
