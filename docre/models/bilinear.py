"""The grouped bilinear classifier, computed without its full outer product in memory."""

import math
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from docre.errors import DocreError
from docre.models.products import in_autocast_type, matmul
from docre.tensors import even_slices

# Types for the parameters of a model, with which the registry refuses other values.
HeadSize = Annotated[int, Field(gt=0, le=2**16)]
BlockSize = Annotated[int, Field(gt=0, le=2**10)]


class GroupedBilinear(nn.Module):
    """logits = sum_g  vec(h_g outer t_g) W_g^T + b,  over groups g of `block_size` features (Zhou et al. 2021, eq. 5).

    The weight is one matrix [outputs, head_size * block_size], as in published checkpoints. Without `bias`, b is 0.
    Raises DocreError if head_size is no multiple of block_size.
    """

    def __init__(self, head_size: int, block_size: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        if head_size % block_size:
            raise DocreError(f"model.head_size: expected a multiple of block_size {block_size}, got {head_size}")
        self.weight = nn.Parameter(torch.empty(outputs, head_size * block_size))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        bound = 1 / math.sqrt(self.weight.shape[1])  # as nn.Linear initializes
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, head: Tensor, tail: Tensor) -> Tensor:
        """head, tail [pairs, groups, block] -> logits [pairs, outputs], summed in float32."""
        head, tail, weight = in_autocast_type(head, tail, self.weight)
        with torch.autocast(head.device.type, enabled=False):
            logits: Tensor = _BlockwiseBilinear.apply(head, tail, weight)
            return logits if self.bias is None else logits + self.bias


SLICE_PAIRS = {"cpu": 512, "cuda": 16384}  # pairs at once: enough for fast matrix products, in little memory


class _BlockwiseBilinear(torch.autograd.Function):
    """The bilinear form group by group, for a slice of the pairs at a time.

    Of the outer product [pairs, groups * block * block], only [slice, block * block] of one group is in memory at any
    time, in a buffer that is reused; the backward pass recomputes it and then overwrites it with its gradient. So
    memory does not grow with groups * pairs * block^2.
    """

    @staticmethod
    def forward(ctx: Any, head: Tensor, tail: Tensor, weight: Tensor) -> Tensor:
        head, tail = by_group(head), by_group(tail)
        ctx.save_for_backward(head, tail, weight)
        blocks = weight.view(len(weight), len(head), -1)
        logits = head.new_zeros(len(weight), head.shape[1], dtype=torch.promote_types(head.dtype, torch.float32))
        slices, buffer = pair_slices(head)
        for g, (heads, tails) in enumerate(zip(head, tail, strict=True)):
            for pairs in slices:
                logits[:, pairs] += matmul(blocks[:, g], outer(heads[pairs], tails[pairs], buffer).flatten(1).T)
        return logits.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head, tail, weight = ctx.saved_tensors
        gradient = gradient.to(head.dtype)
        d_head, d_tail, d_weight = torch.empty_like(head), torch.empty_like(tail), torch.zeros_like(weight)
        blocks, d_blocks = (x.view(len(weight), len(head), -1) for x in (weight, d_weight))
        slices, buffer = pair_slices(head)
        for g, (heads, tails) in enumerate(zip(head, tail, strict=True)):
            for pairs in slices:
                h, t, d = heads[pairs], tails[pairs], gradient[pairs]
                product = outer(h, t, buffer).flatten(1)
                d_blocks[:, g] += matmul(d.T, product)
                d_product = matmul(d, blocks[:, g], out=product).view_as(buffer[: len(h)])
                d_head[g, pairs] = torch.bmm(t[:, None], d_product.mT)[:, 0]
                d_tail[g, pairs] = torch.bmm(h[:, None], d_product)[:, 0]
        return by_group(d_head), by_group(d_tail), d_weight


def by_group(vectors: Tensor) -> Tensor:
    """[pairs, groups, block] -> [groups, pairs, block], or back, contiguous."""
    return vectors.transpose(0, 1).contiguous()


def pair_slices(head: Tensor) -> tuple[list[slice], Tensor]:
    """Slices of the pairs of head [groups, pairs, block], and a buffer for one group's outer products of the longest
    slice, [slice, block, block]."""
    _, pairs, block = head.shape
    slices = even_slices(pairs, SLICE_PAIRS.get(head.device.type, 2048))
    return slices, head.new_empty(max(part.stop - part.start for part in slices), block, block)


def outer(head: Tensor, tail: Tensor, buffer: Tensor) -> Tensor:
    """The outer products of [pairs, block] and [pairs, block]: [pairs, block, block], written into `buffer`."""
    return torch.mul(head[:, :, None], tail[:, None], out=buffer[: len(head)])
