"""The grouped bilinear classifier, without its outer product in memory."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from docre.tensors import stretches


class GroupedBilinear(nn.Module):
    """logits = sum_g  vec(h_g outer t_g) W_g^T + b,  groups g of `block_size` numbers (Zhou et al. 2021, eq. 5).

    The weight is one matrix [outputs, head_size * block_size], as in published checkpoints.
    """

    def __init__(self, head_size: int, block_size: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, head_size * block_size))
        self.bias = nn.Parameter(torch.empty(outputs))
        bound = 1 / math.sqrt(self.weight.shape[1])  # what nn.Linear does
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, head: Tensor, tail: Tensor) -> Tensor:
        """head, tail [pairs, groups, block] -> logits [pairs, outputs], summed in float32."""
        weight: Tensor = self.weight
        device = head.device.type
        if torch.is_autocast_enabled(device):
            head, tail, weight = (x.to(torch.get_autocast_dtype(device)) for x in (head, tail, weight))
        with torch.autocast(device, enabled=False):
            return _BlockwiseBilinear.apply(head, tail, weight) + self.bias


STRETCH = {"cpu": 512, "cuda": 16384}  # pairs: on a CPU the block stays in the cache, on a GPU it fills the chip


class _BlockwiseBilinear(torch.autograd.Function):
    """The bilinear form group by group, a stretch of pairs at a time.

    Of the outer product [pairs, groups * block * block] only one group's [stretch, block * block] is ever there, in
    memory that is used again and so stays in the cache; the backward pass makes it again. Saves memory in proportion to
    groups * pairs, and the traffic of writing it.
    """

    @staticmethod
    def forward(ctx: Any, head: Tensor, tail: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(head, tail, weight)
        groups, block = head.shape[1:]
        blocks = weight.view(len(weight), groups, block * block)
        parts = stretches(len(head), STRETCH.get(head.device.type, 2048))
        products = head.new_empty(longest(parts), block, block)
        logits = head.new_zeros(len(weight), len(head), dtype=torch.promote_types(head.dtype, torch.float32))
        for g in range(groups):
            for pairs in parts:
                logits[:, pairs] += torch.mm(blocks[:, g], outer(head[pairs, g], tail[pairs, g], products).T)
        return logits.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head, tail, weight = ctx.saved_tensors
        groups, block = head.shape[1:]
        blocks = weight.view(len(weight), groups, block * block)
        gradient = gradient.to(head.dtype)
        d_head, d_tail, d_weight = torch.empty_like(head), torch.empty_like(tail), torch.empty_like(blocks)
        parts = stretches(len(head), STRETCH.get(head.device.type, 2048))
        products, d_products = (head.new_empty(longest(parts), block, block) for _ in range(2))
        for g in range(groups):
            sums = weight.new_zeros(len(weight), block * block)
            for pairs in parts:
                h, t = head[pairs, g], tail[pairs, g]
                sums.addmm_(gradient[pairs].T, outer(h, t, products))
                d_outer = d_products[: len(h)]
                torch.mm(gradient[pairs], blocks[:, g], out=d_outer.flatten(1))
                d_head[pairs, g] = torch.bmm(d_outer, t[:, :, None])[:, :, 0]
                d_tail[pairs, g] = torch.bmm(h[:, None, :], d_outer)[:, 0]
            d_weight[:, g] = sums
        return d_head, d_tail, d_weight.view_as(weight)


def outer(head: Tensor, tail: Tensor, memory: Tensor) -> Tensor:
    """[pairs, block] and [pairs, block] -> [pairs, block * block], in the beginning of `memory`."""
    return torch.mul(head[:, :, None], tail[:, None, :], out=memory[: len(head)]).flatten(1)


def longest(parts: list[slice]) -> int:
    """The length of the longest slice."""
    return max((part.stop - part.start for part in parts), default=0)
