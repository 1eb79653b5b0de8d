"""GELU without memory of its own."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu


class Gelu(nn.Module):
    """x * Phi(x), written over x where no gradient needs that: only for an x that nothing else reads.

    It follows the widest layer of an encoder. Saves, in evaluation, a second tensor of that size for every layer; to
    get memory for it can take longer than GELU itself.

    approximate: "none", or "tanh" for the approximation of Phi that transformers calls gelu_new: its own keeps five
                 tensors of that size for the backward pass, where this keeps x.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, hidden: Tensor) -> Tensor:
        if hidden.requires_grad:
            return gelu(hidden, approximate=self.approximate)
        return torch.ops.aten.gelu_(hidden, approximate=self.approximate)
