"""TTM-RE's memory module: each pair reads a learned memory, then passes a small transformer (Gao et al. 2024)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from docre.models.products import Linear, linear
from docre.models.swap import change_classes

SLOTS = 2  # of a pair: head and tail
CHUNK = 256  # pairs among which the published attention runs


class MemoryModule(nn.Module):
    """Y = Summary(M, [z_h; z_t]), then Y <- Transformer(Y), y_h = (z_h + Y_0) / 2, y_t = (z_t + Y_1) / 2.

    The transformer has post-norm layers with an inner size of S and no dropout. Its attention runs, as published, among
    the pairs of a chunk of CHUNK pairs: head with heads, tail with tails, never between the two of a pair. The pairs of
    the whole batch are divided into chunks in order, so a pair's result depends on the other pairs of its chunk.

    size:        S, the size of z.
    rows:        number of learned memory tokens.
    layers:      layers of the transformer.
    heads:       its attention heads.
    within_pair: repaired: attention runs between the head and the tail of each pair, and no two pairs interact.
    """

    def __init__(self, size: int, rows: int, layers: int, heads: int, within_pair: bool) -> None:
        super().__init__()
        self.within_pair = within_pair
        self.tokens = nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, size)))
        self.summary = Summary(size)
        layer = Layer(size, heads, size, dropout=0.0, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        change_classes(self.transformer, {nn.Linear: Linear})

    def forward(self, head: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """z_h, z_t -> y_h, y_t, all [pairs, S]."""
        own = torch.stack([head, tail], dim=1)
        y_head, y_tail = ((own + self.transform(self.summary(self.tokens, own))) / SLOTS).unbind(1)
        return y_head, y_tail

    def transform(self, summary: Tensor) -> Tensor:
        """The summaries of all pairs [pairs, 2, S] -> the same after the transformer."""
        if not len(summary):  # with a pair of zeros, so that all weights get a gradient, as several processes need
            return self.transformer(torch.cat([summary, summary.new_zeros(1, *summary.shape[1:])]))[:0]
        if self.within_pair:
            return self.transformer(summary)
        chunks = [self.transformer(chunk.transpose(0, 1)).transpose(0, 1) for chunk in summary.split(CHUNK)]
        return torch.cat(chunks)


class Layer(nn.TransformerEncoderLayer):
    """A post-norm layer without masks and dropout, whose products in float32 are those of docre.models.products."""

    def forward(self, src: Tensor, *masks: Any, **other_masks: Any) -> Tensor:
        """[sequences, length, S] -> [sequences, length, S]."""
        if torch.is_autocast_enabled(src.device.type):  # in half precision PyTorch's own layer is as fast
            return super().forward(src)
        src = self.norm1(src + self.attend(src))
        return self.norm2(src + self.linear2(self.activation(self.linear1(src))))

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention, [sequences, length, S] -> [sequences, length, S]."""
        part = self.self_attn
        projected = linear(x, part.in_proj_weight, part.in_proj_bias).unflatten(-1, (3, part.num_heads, -1))
        q, k, v = projected.permute(2, 0, 3, 1, 4).unbind(0)  # [sequences, heads, length, size of a head]
        mixed = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return linear(mixed, part.out_proj.weight, part.out_proj.bias)


class Summary(nn.Module):
    """The memory M and the two tokens of a pair, X = [M; z_h; z_t] [rows + 2, S], as two weighted sums of themselves:

        Y = softmax(MLP(LN(X)))^T X [2, S],    MLP: S -> S, GELU, S -> 2, the softmax over the rows + 2 tokens.

    X is never laid out. What belongs to the memory is the same for all pairs, so for each of the two sums it is one
    token of its own: the memory's own weighted sum, with the logarithm of the sum of its weights as its score.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        inner, outer = Linear(size, size), Linear(size, SLOTS)
        self.score = nn.Sequential(inner, nn.GELU(), outer)
        for layer in (inner, outer):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, memory: Tensor, own: Tensor) -> Tensor:
        """memory [rows, S], own [pairs, 2, S] -> [pairs, 2, S]."""
        memory_scores, own_scores = self.scores(memory), self.scores(own)
        memory_sums = memory_scores.softmax(0).T @ memory  # [2, S]
        memory_score = memory_scores.logsumexp(0).expand(len(own), 1, SLOTS)
        of_memory, of_head, of_tail = torch.cat([memory_score, own_scores], dim=1).softmax(1)[..., None].unbind(1)
        return of_memory * memory_sums + of_head * own[:, :1] + of_tail * own[:, 1:]

    def scores(self, tokens: Tensor) -> Tensor:
        """The scores of tokens [..., S] for both sums, [..., 2], in float32 or better."""
        scores: Tensor = self.score(self.norm(tokens))
        return scores.to(torch.promote_types(scores.dtype, torch.float32))
