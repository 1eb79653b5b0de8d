"""Pooling as in ATLOP: logsumexp from mentions to entities, and localized context pooling for pairs of entities."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from docre.tensors import Batch, even_slices


def pool_entities(tokens: Tensor, batch: Batch) -> Tensor:
    """Entity embeddings: e = log sum_m exp(h_m) over the mention markers m of each entity, zero for an entity without
    mentions.

    tokens [document tokens, hidden], float32 -> [entities, hidden]. Zhou et al. 2021, eq. 2.
    """
    mentions = tokens.index_select(0, batch.mention_token)
    entities = sum(batch.entity_counts)
    index = batch.mention_entity[:, None].expand_as(mentions)
    top = mentions.new_full((entities, tokens.shape[1]), -torch.inf)
    top = top.scatter_reduce(0, index, mentions.detach(), "amax")
    top = top.masked_fill(top == -torch.inf, 0)
    total = torch.zeros_like(top).index_add(0, batch.mention_entity, (mentions - top.gather(0, index)).exp())
    return torch.where(total > 0, total.clamp(min=torch.finfo(total.dtype).tiny).log() + top, 0)


def pool_attention(attention: Tensor, batch: Batch) -> Tensor:
    """The attention of each entity: the mean over its mentions, zero for an entity without mentions.

    [mentions, heads, length] -> [entities, heads, length]. Zhou et al. 2021, section 3.3.
    """
    entities = sum(batch.entity_counts)
    total = attention.new_zeros(entities, *attention.shape[1:]).index_add(0, batch.mention_entity, attention)
    count = torch.bincount(batch.mention_entity, minlength=entities).clamp(min=1)
    return total / count[:, None, None]


def pool_contexts(tokens: Tensor, attention: Tensor, batch: Batch) -> Tensor:
    """Localized context of each unordered pair of entities, the mean of the tokens weighted by what both attend to:
    c = H^T a / (sum a + 1e-5), a = mean over heads of A_first * A_second.

    tokens [document tokens, hidden], attention [entities, heads, length], float32 -> [contexts, hidden]. Zhou et al.
    2021, eq. 9 and 10.
    """
    contexts = []
    start = 0
    parts = (
        tokens.split(batch.document_lengths),
        attention.split(batch.entity_counts),
        batch.context_first.split(batch.context_counts),
        batch.context_second.split(batch.context_counts),
    )
    for hidden, rows, first, second in zip(*parts, strict=True):
        pairs = (first - start) * len(rows) + second - start
        total, weight = _ContextSums.apply(hidden, rows[:, :, : len(hidden)], pairs)
        contexts.append(total / (weight + 1e-5)[:, None])
        start += len(rows)
    return torch.cat(contexts)


def pool_weights(attention: Tensor, batch: Batch) -> Tensor:
    """a / (sum a + 1e-5), a = mean over heads of A_first * A_second: the weights that `pool_contexts` gives the tokens.

    attention [entities, heads, length] -> [contexts, length]. Lays out [contexts, heads, length]: for looking into a
    model, not for training it. Zhou et al. 2021, eq. 9.
    """
    products = (attention[batch.context_first] * attention[batch.context_second]).mean(1)
    return products / (products.sum(1, keepdim=True) + 1e-5)


SLICE_ELEMENTS = {"cpu": 2**20, "cuda": 2**27}  # of [tokens, entities, entities] in memory at once


class _ContextSums(torch.autograd.Function):
    """sum_l a_l h_l [pairs, hidden] and sum_l a_l [pairs] of one document, for a slice of its tokens at a time.

    For each token, the products of all pairs of entities are one matrix product over the heads, which avoids a tensor
    [pairs, heads, length]. Of the resulting [tokens, entities, entities] only a slice of the tokens is in memory at any
    time, and the backward pass recomputes it, so that memory does not grow with pairs * tokens.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, rows: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """hidden [length, hidden], rows [entities, heads, length], pairs [pairs] as first * entities + second."""
        ctx.save_for_backward(hidden, rows, pairs)
        total, weight = hidden.new_zeros(len(pairs), hidden.shape[1]), hidden.new_zeros(len(pairs))
        for tokens in token_slices(rows):
            weights = head_mean_products(rows[:, :, tokens])[0].index_select(1, pairs)
            total.addmm_(weights.T, hidden[tokens])
            weight += weights.sum(0)
        return total, weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_total: Tensor, d_weight: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden, rows, pairs = ctx.saved_tensors
        entities, heads = rows.shape[:2]
        d_hidden, d_rows = torch.empty_like(hidden), torch.empty_like(rows)
        for tokens in token_slices(rows):
            product, by_token = head_mean_products(rows[:, :, tokens])
            d_hidden[tokens] = torch.mm(product.index_select(1, pairs), d_total)
            d_weights = torch.addmm(d_weight, hidden[tokens], d_total.T).div_(heads)
            d_product = product.zero_().index_copy_(1, pairs, d_weights).unflatten(1, (entities, entities))
            d_rows[:, :, tokens] = torch.bmm(d_product + d_product.transpose(1, 2), by_token).permute(1, 2, 0)
        return d_hidden, d_rows, None


def head_mean_products(rows: Tensor) -> tuple[Tensor, Tensor]:
    """For each token and each two entities e, f the mean over heads of A_e * A_f, [tokens, entities * entities], from
    rows [entities, heads, tokens]; and the rows transposed, [tokens, entities, heads]."""
    by_token = rows.permute(2, 0, 1).contiguous()
    return torch.bmm(by_token / rows.shape[1], by_token.transpose(1, 2)).flatten(1), by_token


def token_slices(rows: Tensor) -> list[slice]:
    """Slices of the tokens of rows [entities, heads, tokens], such that [slice, entities, entities] has at most
    SLICE_ELEMENTS elements where that is possible."""
    size = max(1, SLICE_ELEMENTS.get(rows.device.type, 2**22) // max(1, len(rows)) ** 2)
    return even_slices(rows.shape[2], size)
