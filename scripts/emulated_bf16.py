"""bf16 on a CPU that does not multiply it natively: a plugin for measuring what bf16 costs in F1.

    python -m docre.train --config configs/quickstart.yaml training.precision=bf16 'plugins=[scripts.emulated_bf16]'

Products of bf16 matrices are computed in fp32 and rounded to bf16, which is what AMX and AVX512-BF16 do (they sum in
fp32), and some ten times as fast as PyTorch's own way. All other operations are PyTorch's in bf16. On a CPU that
multiplies bf16 natively, nothing is changed.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from docre.models.precision import bf16_pays

aten = torch.ops.aten
PRODUCTS = {aten.mm, aten.bmm, aten.addmm, aten.addmm_, aten.baddbmm, aten.baddbmm_}


class ProductsInFloat32(TorchDispatchMode):
    """Computes every product of bf16 matrices in fp32, and rounds the result."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [*args, *kwargs.values()]
        if func._overloadpacket not in PRODUCTS or not any(is_bf16(x) for x in given):
            return func(*args, **kwargs)
        result = func(*map(to_float32, args), **{key: to_float32(x) for key, x in kwargs.items()})
        if "out" in kwargs:
            return kwargs["out"].copy_(result)
        if func._schema.is_mutable:
            return args[0].copy_(result)
        return result.bfloat16()


def is_bf16(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bfloat16


def to_float32(value: Any) -> Any:
    return value.float() if is_bf16(value) else value


if not bf16_pays():
    ProductsInFloat32().__enter__()  # for the rest of the process
