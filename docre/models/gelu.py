"""GELU and the linear layer after it, without a tensor of their size in memory that can be avoided."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import gelu

from docre.models.products import Linear, in_autocast_type, linear, linear_gradients

# In the layers of packed encoders: where GELU is, and where the linear layer is that reads its result.
FEED_FORWARD = (
    ("intermediate.intermediate_act_fn", "output.dense"),
    ("activation", "lin2"),  # DistilBERT
    ("activation", "ffn_output"),  # ALBERT
)


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


class GeluLinear(Linear):
    """W gelu(x) + b. For the backward pass x is saved, but not gelu(x), which is computed a second time."""

    gelu: Gelu

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:
            return super().forward(self.gelu(x))
        inputs = in_autocast_type(x, self.weight, self.bias)
        with torch.autocast(x.device.type, enabled=False):
            product: Tensor = _GeluLinear.apply(*inputs, self.gelu.approximate)
            return product


class _GeluLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, approximate: str) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.approximate = approximate
        return linear(gelu(x, approximate=approximate), weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows, of_rows = x.flatten(0, -2), gradient.flatten(0, -2)
        result = gelu(rows, approximate=ctx.approximate)
        d_result, *others = linear_gradients(of_rows, result, weight, ctx.needs_input_grad[:3])
        d_rows = torch.ops.aten.gelu_backward(d_result, rows, approximate=ctx.approximate)
        return d_rows.view_as(x), *others, None


def join_gelu(backbone: nn.Module) -> None:
    """Make one GeluLinear of each Gelu and the linear layer that follows it, in place; weights keep their names."""
    for part in backbone.modules():
        for place, next_place in FEED_FORWARD:
            try:
                activation, after = part.get_submodule(place), part.get_submodule(next_place)
            except AttributeError:
                continue
            if isinstance(activation, Gelu) and type(after) is nn.Linear:
                after.__class__ = GeluLinear
                after.gelu = activation
                part.set_submodule(place, nn.Identity())
