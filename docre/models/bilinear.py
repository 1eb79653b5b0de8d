"""The grouped bilinear classifier, without its outer product in memory."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from docre.tensors import even_slices


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


SLICE = {"cpu": 1024, "cuda": 16384}  # pairs: enough for products at full speed, few enough to stay small


class _BlockwiseBilinear(torch.autograd.Function):
    """The bilinear form group by group, a stretch of pairs at a time.

    Of the outer product [pairs, groups * block * block] only one group's [stretch, block * block] is ever there, in
    memory that is used again; the backward pass makes it again and then puts its gradient in its place. Saves memory in
    proportion to groups * pairs.
    """

    @staticmethod
    def forward(ctx: Any, head: Tensor, tail: Tensor, weight: Tensor) -> Tensor:
        head, tail = by_group(head), by_group(tail)
        ctx.save_for_backward(head, tail, weight)
        blocks = weight.view(len(weight), len(head), -1)
        logits = head.new_zeros(len(weight), head.shape[1], dtype=torch.promote_types(head.dtype, torch.float32))
        parts, memory = pair_slices(head)
        for g, (heads, tails) in enumerate(zip(head, tail, strict=True)):
            for pairs in parts:
                logits[:, pairs] += torch.mm(blocks[:, g], outer(heads[pairs], tails[pairs], memory).flatten(1).T)
        return logits.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head, tail, weight = ctx.saved_tensors
        gradient = gradient.to(head.dtype)
        d_head, d_tail, d_weight = (torch.empty_like(x) for x in (head, tail, weight))
        blocks, d_blocks = (x.view(len(weight), len(head), -1) for x in (weight, d_weight))
        parts, memory = pair_slices(head)
        for g, (heads, tails) in enumerate(zip(head, tail, strict=True)):
            for pairs in parts:
                h, t, d = heads[pairs], tails[pairs], gradient[pairs]
                product = outer(h, t, memory)
                d_blocks[:, g].addmm_(d.T, product.flatten(1), beta=min(pairs.start, 1))  # the first begins the sum
                torch.mm(d, blocks[:, g], out=product.flatten(1))  # from here on its gradient
                d_head[g, pairs] = torch.bmm(t[:, None], product.mT)[:, 0]
                d_tail[g, pairs] = torch.bmm(h[:, None], product)[:, 0]
        return by_group(d_head), by_group(d_tail), d_weight


def by_group(vectors: Tensor) -> Tensor:
    """[pairs, groups, block] -> [groups, pairs, block], or back, in this order in memory."""
    return vectors.transpose(0, 1).contiguous()


def pair_slices(head: Tensor) -> tuple[list[slice], Tensor]:
    """Stretches of the pairs of head [groups, pairs, block], and memory for the outer products of the longest."""
    _, pairs, block = head.shape
    parts = even_slices(pairs, SLICE.get(head.device.type, 2048))
    return parts, head.new_empty(max(part.stop - part.start for part in parts), block, block)


def outer(head: Tensor, tail: Tensor, memory: Tensor) -> Tensor:
    """[pairs, block] and [pairs, block] -> [pairs, block, block], in the beginning of `memory`."""
    return torch.mul(head[:, :, None], tail[:, None], out=memory[: len(head)])
