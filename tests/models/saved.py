"""How much memory a computation keeps for its backward pass."""

from collections.abc import Callable

import torch
from torch import Tensor


def saved_bytes(compute: Callable[[], Tensor]) -> int:
    """The bytes of all tensors that autograd saves while `compute` runs, those that share memory counted once."""
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        compute()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
