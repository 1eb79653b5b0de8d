"""GELU that works in place where it can."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu


class Gelu(nn.Module):
    """GELU, x * Phi(x). Without gradients it overwrites its input, so nothing else may use that.

    GELU follows the widest layer of an encoder. In evaluation, working in place saves one tensor of that size per
    layer, whose allocation can take longer than GELU itself.

    approximate: "none", or "tanh" for the approximation that transformers calls gelu_new. For the backward pass,
                 transformers' own gelu_new saves five tensors of the input's size, this one only the input.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, hidden: Tensor) -> Tensor:
        if hidden.requires_grad:
            return gelu(hidden, approximate=self.approximate)
        return torch.ops.aten.gelu_(hidden, approximate=self.approximate)
