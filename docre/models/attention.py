"""Attention over a batch without padding, keeping only the attention rows that are read.

transformers lets a model's attention function be replaced. Ours takes the tokens of all windows laid end to end, so
that everything position-wise in the encoder runs on real tokens only, and attends within each window. Of the layers
whose attention the model reads it keeps the rows of the mention markers, instead of [heads x length x length] maps.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface

from docre.models.dropout import dropout as drop

PACKED = "docre_packed"


@dataclass
class AttentionPlan:
    """What the attention function has to know of a batch, and where it leaves the rows.

    window_lengths: tokens of each window.
    row_index:      [rows] position in its window of each token whose attention is read, window by window.
    row_counts:     rows of each window.
    first_layer:    the rows of this layer and all later ones are kept.
    rows:           by layer and window, [row_counts[w], heads, window_lengths[w]].
    """

    window_lengths: tuple[int, ...]
    row_index: Tensor
    row_counts: tuple[int, ...]
    first_layer: int
    rows: list[list[Tensor]] = field(default_factory=list)

    def mean_rows(self) -> Tensor:
        """The kept rows, mean over the layers: [rows, heads, longest window], zero beyond a row's window."""
        width = max(self.window_lengths)
        windows = [torch.stack(layers).mean(0) for layers in zip(*self.rows, strict=True)]
        return torch.cat([pad(window, (0, width - window.shape[-1])) for window in windows])


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    plan: AttentionPlan | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """softmax(q k^T * scaling) v within each window: query, key, value [1, heads, tokens, size] -> [1, tokens, heads,
    size]. Dropout falls on the probabilities, and the rows that are kept are those after it, as published."""
    assert plan is not None, "packed attention is reached through docre.models.encoder only"
    keep = int(module.layer_idx) >= plan.first_layer  # type: ignore[arg-type]
    rows: list[Tensor] = []
    outputs = []
    wanted = plan.row_index.split(plan.row_counts)
    windows = (part.split(plan.window_lengths, dim=2) for part in (query, key, value))
    for index, q, k, v in zip(wanted, *windows, strict=True):
        if keep or (dropout and not q.is_cuda):
            scale = q.shape[-1] ** -0.5 if scaling is None else scaling
            probabilities = torch.matmul(q * scale, k.transpose(2, 3)).softmax(-1)
            probabilities = drop(probabilities, dropout)
            outputs.append(torch.matmul(probabilities, v))
            if keep:
                rows.append(probabilities[0].index_select(1, index).transpose(0, 1))
        else:
            outputs.append(scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling))
    if keep:
        plan.rows.append(rows)
    return torch.cat(outputs, dim=2).transpose(1, 2), None


AttentionInterface.register(PACKED, packed_attention)
