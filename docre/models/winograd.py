"""3 x 3 convolutions on a CPU with a quarter of the multiplications: Winograd's minimal filtering F(4 x 4, 3 x 3).

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (CVPR). A map is cut into tiles of 4 x 4 cells,
each of which is computed from the 6 x 6 cells around it:  Y = A^T [(G w G^T) * (B^T x B)] A,  summed over the channels
in the middle. The matrices follow from the points 0, 1, -1, 1/2 and -2, which lose less precision than whole numbers:
about as much as a direct convolution.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

TILE, PATCH = 4, 6
SMALLEST_SIDE = 16  # of a map for which this is faster
A: list[list[float]] = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 1 / 2, -2, 0], [0, 1, 1, 1 / 4, 4, 0], [0, 1, -1, 1 / 8, -8, 1]]
G: list[list[float]] = [  # times 1 / 45
    [45, 0, 0],
    [15, 15, 15],
    [-15, 15, -15],
    [-48, -24, -12],
    [3, -6, 12],
    [0, 0, 45],
]
B: list[list[float]] = [
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
        fast = maps.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if not fast or maps.shape[-1] < SMALLEST_SIDE:
            return super().forward(maps)
        assert self.bias is not None
        cells = _Winograd.apply(maps.permute(0, 2, 3, 1), self.weight) + self.bias
        return cells.permute(0, 3, 1, 2)


class _Winograd(torch.autograd.Function):
    """maps [documents, side, side, channels], weight [out, channels, 3, 3] -> [documents, side, side, out].

    The backward pass computes the transformed maps again, which are more than twice as large as the maps.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        products = torch.bmm(transformed_maps(maps), transformed_weight(weight))  # [36, tiles, out]
        documents, side, tiles = len(maps), maps.shape[1], tiles_across(maps.shape[1])
        cells = matrix(A, maps) @ products.flatten(1)
        cells = cells.view(TILE, TILE, documents, tiles, tiles, -1).permute(2, 3, 0, 4, 1, 5)
        return cells.reshape(documents, tiles * TILE, tiles * TILE, -1)[:, :side, :side]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        maps, weight = ctx.saved_tensors
        (documents, side, _, channels), tiles = maps.shape, tiles_across(maps.shape[1])
        missing = tiles * TILE - side
        cells = pad(gradient, (0, 0, 0, missing, 0, missing)).view(documents, tiles, TILE, tiles, TILE, -1)
        cells = cells.permute(2, 4, 0, 1, 3, 5).reshape(TILE * TILE, -1)
        products = (matrix(A, maps).T @ cells).view(PATCH * PATCH, -1, len(weight))
        transformed = transformed_maps(maps)
        d_weight = torch.bmm(transformed.mT, products)
        torch.bmm(products, transformed_weight(weight).mT, out=transformed)
        patches = matrix(B, maps).T @ transformed.flatten(1)
        d_maps = maps.new_zeros(documents, tiles * TILE + 2, tiles * TILE + 2, channels)
        for patch, place in zip(patches.view(PATCH * PATCH, documents, tiles, tiles, -1), places(d_maps), strict=True):
            place += patch
        d_weight = (matrix(G, maps).T @ d_weight.flatten(1)).div_(45**2).view(3, 3, channels, -1)
        return d_maps[:, 1 : side + 1, 1 : side + 1], d_weight.permute(3, 2, 0, 1)


def transformed_maps(maps: Tensor) -> Tensor:
    """B^T x B of all patches: [documents, side, side, channels] -> [36, tiles of all documents, channels]."""
    end = tiles_across(maps.shape[1]) * TILE + 1 - maps.shape[1]
    patches = torch.stack(places(pad(maps, (0, 0, 1, end, 1, end))))
    return (matrix(B, maps) @ patches.flatten(1)).view(PATCH * PATCH, -1, maps.shape[3])


def transformed_weight(weight: Tensor) -> Tensor:
    """G w G^T of all filters: [out, channels, 3, 3] -> [36, channels, out]."""
    filters = weight.permute(2, 3, 1, 0).reshape(9, -1)
    return (matrix(G, weight) @ filters).div_(45**2).view(PATCH * PATCH, -1, len(weight))


def matrix(rows: list[list[float]], like: Tensor) -> Tensor:
    """The matrix that multiplies both sides of a square, as one that multiplies the square's cells."""
    one_side = like.new_tensor(rows)
    return torch.kron(one_side, one_side)


def places(padded: Tensor) -> list[Tensor]:
    """For each of the 36 places in a patch the cells there, [documents, tiles, tiles, channels] views."""
    reach = padded.shape[1] - 2
    return [padded[:, i : i + reach : TILE, j : j + reach : TILE] for i in range(PATCH) for j in range(PATCH)]


def tiles_across(side: int) -> int:
    """The number of tiles beside each other that cover a map's side."""
    return -(-side // TILE)
