"""Pooling as in ATLOP: logsumexp from mentions to entities, and localized context pooling for pairs of entities."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from docre.models.products import linear, matmul
from docre.tensors import Batch, even_slices, occurrences


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
    count = occurrences(batch.mention_entity, entities).clamp(min=1)
    return total / count[:, None, None]


def pool_contexts(tokens: Tensor, attention: Tensor, batch: Batch, epsilon: float = 1e-5) -> Tensor:
    """Localized context of each context of the batch, the mean of the tokens weighted by what both entities attend to:
    c = H^T a / (sum a + epsilon), a = mean over heads of A_first * A_second.

    tokens [document tokens, hidden], attention [entities, heads, length], float32 -> [contexts, hidden]. Zhou et al.
    2021, eq. 9 and 10. (With the sum over heads instead of the mean, epsilon has to be divided by the heads.)
    """
    contexts = []
    for hidden, rows, first, second in _by_document(tokens, attention, batch):
        total, weight = _ContextSums.apply(hidden, rows[:, :, : len(hidden)], first * len(rows) + second)
        contexts.append(total / (weight + epsilon)[:, None])
    return torch.cat(contexts)


def pool_weights(attention: Tensor, batch: Batch, epsilon: float = 1e-5) -> Tensor:
    """a / (sum a + epsilon): the weights that `pool_contexts` gives to the tokens, zero beyond the document.

    attention [entities, heads, length] -> [contexts, longest document], differentiable. Holds no tensor of pairs times
    heads times length. Zhou et al. 2021, eq. 9.
    """
    longest = max(batch.document_lengths)
    parts = []
    tokens = attention.new_empty(sum(batch.document_lengths), 0)
    for hidden, rows, first, second in _by_document(tokens, attention, batch):
        products = head_mean_products(rows[:, :, : len(hidden)])[0]
        parts.append(pad(products.index_select(1, first * len(rows) + second).T, (0, longest - len(hidden))))
    weights = torch.cat(parts)
    return weights / (weights.sum(1, keepdim=True) + epsilon)


def pool_tokens(tokens: Tensor, weights: Tensor, batch: Batch) -> Tensor:
    """The sum of the tokens of each context, weighted by what `pool_weights` returned: what `pool_contexts` computes
    without these weights. tokens [document tokens, hidden], weights [contexts, longest document] -> [contexts, hidden].
    """
    parts = zip(tokens.split(batch.document_lengths), weights.split(batch.context_counts), strict=True)
    return torch.cat([linear(rows[:, : len(hidden)], hidden.T) for hidden, rows in parts])


def with_all_cells(batch: Batch) -> tuple[Batch, Tensor]:
    """A copy of the batch whose contexts are all unordered pairs of entities of each document, an entity with itself
    included; and the context of each cell of the documents' entity maps, [cells]: n * n for a document of n entities,
    head by head, document after document."""
    first, second, cells = [], [], []
    entities = contexts = 0
    for n in batch.entity_counts:
        rows, columns = torch.triu_indices(n, n, device=batch.pair_head.device)
        first.append(rows + entities)
        second.append(columns + entities)
        context = torch.empty(n, n, dtype=torch.long, device=rows.device)
        context[rows, columns] = context[columns, rows] = torch.arange(len(rows), device=rows.device) + contexts
        cells.append(context.flatten())
        entities, contexts = entities + n, contexts + len(rows)
    counts = tuple(n * (n + 1) // 2 for n in batch.entity_counts)
    full = replace(batch, context_first=torch.cat(first), context_second=torch.cat(second), context_counts=counts)
    return full, torch.cat(cells)


def _by_document(tokens: Tensor, attention: Tensor, batch: Batch) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """For each document its tokens [length, hidden], the attention of its entities [entities, heads, longest], and the
    two entities of its contexts, numbered within the document, [contexts]."""
    start = 0
    parts = (
        tokens.split(batch.document_lengths),
        attention.split(batch.entity_counts),
        batch.context_first.split(batch.context_counts),
        batch.context_second.split(batch.context_counts),
    )
    for hidden, rows, first, second in zip(*parts, strict=True):
        yield hidden, rows, first - start, second - start
        start += len(rows)


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
            total += matmul(weights.T, hidden[tokens])
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
            d_hidden[tokens] = matmul(product.index_select(1, pairs), d_total)
            d_weights = matmul(hidden[tokens], d_total.T).add_(d_weight).div_(heads)
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
