"""GELU without memory of its own."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu


class Gelu(nn.Module):
    """x * Phi(x), written over x where no gradient needs that: only for an x that nothing else reads.

    It follows the widest layer of an encoder. Saves, in evaluation, a second tensor of that size for every layer; to
    get memory for it can take longer than GELU itself.
    """

    def forward(self, hidden: Tensor) -> Tensor:
        return gelu(hidden) if hidden.requires_grad else torch.ops.aten.gelu_(hidden)
