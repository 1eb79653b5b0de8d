"""Products of float32 matrices on a CPU, by the faster of the two libraries that PyTorch has for them.

PyTorch multiplies float32 matrices with MKL, which chooses its code by the make of the processor: on an AMD EPYC with
AVX512 that reaches less than half the speed of oneDNN, which is in PyTorch, too. Where the difference is small, as on
processors of Intel, MKL is taken.
"""

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

MIN_SPEEDUP = 1.5  # oneDNN is used where it is at least this many times as fast
MIN_WORK = 2**22  # multiplications; for a smaller product the microseconds that oneDNN takes to begin are too many
ONEDNN_LINEAR: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)  # None: not on this platform


def matmul(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """a @ b of two matrices, [n, k] x [k, m] -> [n, m], without gradients. `out`: a tensor that may be used for the
    result."""
    return by_onednn(a, b.T) if onednn_pays(a, b) else torch.mm(a, b, out=out)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b, as torch.nn.functional.linear: [..., k], [m, k], [m] -> [..., m]."""
    if x.dim() < 2 or torch.is_autocast_enabled(x.device.type) or not onednn_pays(x, weight.T):
        return nn.functional.linear(x, weight, bias)
    product: Tensor = _Linear.apply(x.flatten(0, -2), weight, bias)
    return product.unflatten(0, x.shape[:-1])


def in_autocast_type(*tensors: Tensor) -> list[Tensor]:
    """Tensors of one device in the type that autocast has there; without autocast as they are."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return list(tensors)
    return [tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors]


class Linear(nn.Linear):
    """nn.Linear with `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return by_onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        return linear_gradients(gradient, x, weight, ctx.needs_input_grad)


def linear_gradients(gradient: Tensor, x: Tensor, weight: Tensor, needed: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """The gradients of x, weight and bias, where they are needed, from that of `linear` [n, m] of x [n, k]."""
    of_x, of_weight, of_bias = needed
    return (
        matmul(gradient, weight) if of_x else None,
        matmul(gradient.T, x) if of_weight else None,
        gradient.sum(0) if of_bias else None,
    )


def onednn_pays(a: Tensor, b: Tensor) -> bool:
    """Whether a @ b, [..., k] x [k, m], is a product of float32 numbers on a CPU that oneDNN computes much faster than
    MKL."""
    return (
        a.device.type == "cpu"
        and a.dtype == b.dtype == torch.float32
        and a.numel() * b.shape[1] >= MIN_WORK
        and onednn_is_faster()
    )


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN multiplies float32 matrices at least MIN_SPEEDUP times as fast as MKL on this CPU. Takes a tenth
    of a second."""
    if ONEDNN_LINEAR is None:
        return False
    a, b = operands(torch.float32)
    try:
        mkl, onednn = least_seconds(lambda: nn.functional.linear(a, b), lambda: by_onednn(a, b))
    except RuntimeError:
        return False  # PyTorch was built without oneDNN
    return mkl > MIN_SPEEDUP * onednn


def by_onednn(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a b^T + bias by oneDNN, [n, k], [m, k], [m] -> [n, m]. This is the operation that torch.compile makes of a linear
    layer on a CPU."""
    if not (b.is_contiguous() or b.T.is_contiguous()):  # as it is, it would be very slow
        b = b.T.contiguous().T if b.stride(0) == 1 else b.contiguous()
    product: Tensor = ONEDNN_LINEAR(a, b, bias, "none", [], "")
    return product


def operands(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Two matrices [256, 768] and [768, 768] of ones, for measuring how long their product takes."""
    return torch.ones(256, 768, dtype=dtype), torch.ones(768, 768, dtype=dtype)


def least_seconds(*ways: Callable[[], Any]) -> list[float]:
    """The least seconds of seven that each of these functions takes; they take turns, so that other jobs slow all of
    them."""
    seconds = []
    for _ in range(7):
        for way in ways:
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
    return [min(seconds[i :: len(ways)]) for i in range(len(ways))]
