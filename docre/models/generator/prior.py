"""The network of VaeDiff-DocRE's diffusion prior: the clean latent, predicted from a noisy one."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from docre.models.dropout import Dropout
from docre.models.products import Linear

DROPOUT = 0.1  # of each block, as published


class Prior(nn.Module):
    """x0 = D(x_t, t, x0', y), with x0' an earlier prediction (self-conditioning) and y the pair's relations.

    omega = MLP of the sinusoids of t, plus a linear map of the mean embedding of the relations. Then
    x = W [x_t; x0'] + W' GELU(omega), the blocks, and x0 = W'' LN(x). Without x0' a learned vector stands in its place,
    without y there is no embedding.

    latent:    Z, the size of a latent.
    relations: number of relations.
    width, depth, heads: the size of x, the number of blocks, the attention heads of each.
    """

    def __init__(self, latent: int, relations: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.width = width
        self.no_earlier = nn.Parameter(torch.zeros(latent))
        self.time = nn.Sequential(Linear(width, 4 * width), nn.GELU(), Linear(4 * width, 4 * width))
        self.embedding = nn.Embedding(relations, width)
        self.of_relations = Linear(width, 4 * width)
        self.of_input = Linear(2 * latent, width)
        self.of_time = Linear(4 * width, width)
        self.blocks = nn.ModuleList(Block(width, heads, DROPOUT) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.output = Linear(width, latent)

    def forward(self, noisy: Tensor, t: Tensor, earlier: Tensor | None, labels: Tensor | None) -> Tensor:
        """noisy, earlier [pairs, Z], t [pairs] (or [1] for all), labels bool [pairs, R] -> [pairs, Z]."""
        omega = self.time(sinusoids(t, self.width).to(noisy.dtype))
        if labels is not None:
            mean = labels.to(noisy.dtype) @ self.embedding.weight / labels.sum(1, keepdim=True)
            omega = omega + self.of_relations(mean)
        omega = gelu(omega)
        earlier = self.no_earlier.expand_as(noisy) if earlier is None else earlier
        x = self.of_input(torch.cat([noisy, earlier], dim=1)) + self.of_time(omega)
        for block in self.blocks:
            x = block(x, omega)
        output: Tensor = self.output(self.norm(x))
        return output


class Block(nn.Module):
    """x <- x + W_o W_v LN(x), then x <- x + g * (1 + s) + h, with g = LN(W_2 (a * GELU(b))), [a; b] = W_1 LN(x), and
    [s; h] = W omega.

    The first is published as self-attention over one token: its only weight is 1 in every head, so queries and keys
    have no effect and are left out; dropout of the weight drops a whole head.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.value = Linear(width, width, bias=False)
        self.drop_heads = nn.Dropout1d(dropout)
        self.attended = Linear(width, width, bias=False)
        self.norm_before = nn.LayerNorm(width)
        self.gated = Linear(width, 8 * width)
        self.dropout = Dropout(dropout)
        self.inner = Linear(4 * width, width)
        self.norm_after = nn.LayerNorm(width)
        self.scale_shift = Linear(4 * width, 2 * width)
        nn.init.zeros_(self.scale_shift.weight)
        nn.init.zeros_(self.scale_shift.bias)

    def forward(self, x: Tensor, omega: Tensor) -> Tensor:
        """x [pairs, width], omega (after its GELU) [pairs or 1, 4 width] -> [pairs, width]."""
        by_head = self.value(self.norm(x)).unflatten(1, (self.heads, -1))
        x = x + self.attended(self.drop_heads(by_head).flatten(1))
        a, b = self.gated(self.norm_before(x)).chunk(2, dim=1)
        g = self.norm_after(self.inner(self.dropout(a * gelu(b))))
        scale, shift = self.scale_shift(omega).chunk(2, dim=1)
        result: Tensor = x + g * (1 + scale) + shift
        return result


def sinusoids(t: Tensor, width: int) -> Tensor:
    """sin and cos of t * 10000^(-i / (w/2 - 1)), i < w/2, one after the other: [times] -> [times, width]."""
    half = width // 2
    rates = torch.exp(torch.arange(half, device=t.device) * (-math.log(10000) / (half - 1)))
    angles = t[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
