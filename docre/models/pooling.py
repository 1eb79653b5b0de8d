"""From tokens and attention to entities and pair contexts: logsumexp and localized context pooling (ATLOP)."""

import torch
from torch import Tensor

from docre.tensors import Batch


def pool_entities(tokens: Tensor, batch: Batch) -> Tensor:
    """e = log sum_m exp(h_m) over the markers of each entity's mentions; zero for an entity without mentions.

    tokens [document tokens, hidden], float32 -> [entities, hidden]. Zhou et al. 2021, eq. 2.
    """
    mentions = tokens[batch.mention_token]
    entities = sum(batch.entity_counts)
    index = batch.mention_entity[:, None].expand_as(mentions)
    top = mentions.new_full((entities, tokens.shape[1]), -torch.inf)
    top = top.scatter_reduce(0, index, mentions.detach(), "amax")
    top = top.masked_fill(top == -torch.inf, 0)
    total = torch.zeros_like(top).index_add(0, batch.mention_entity, (mentions - top.gather(0, index)).exp())
    return torch.where(total > 0, total.clamp(min=torch.finfo(total.dtype).tiny).log() + top, 0)


def pool_attention(attention: Tensor, batch: Batch) -> Tensor:
    """The attention of each entity, the mean of its mentions'; zero for an entity without mentions.

    [mentions, heads, length] -> [entities, heads, length]. Zhou et al. 2021, section 3.3.
    """
    entities = sum(batch.entity_counts)
    total = attention.new_zeros(entities, *attention.shape[1:]).index_add(0, batch.mention_entity, attention)
    count = torch.bincount(batch.mention_entity, minlength=entities).clamp(min=1)
    return total / count[:, None, None]


def pool_contexts(tokens: Tensor, attention: Tensor, batch: Batch) -> Tensor:
    """c = H^T a / (sum a + 1e-5), a = mean over heads of A_first * A_second: what both entities of a pair attend to.

    tokens [document tokens, hidden], attention [entities, heads, length], float32 -> [contexts, hidden]. Zhou et al.
    2021, eq. 9 and 10. For each token the products of all entities are one matrix product over the heads, so that
    nothing of [pairs, heads, length] is made.
    """
    heads = attention.shape[1]
    contexts = []
    start = 0
    parts = (
        tokens.split(batch.document_lengths),
        attention.split(batch.entity_counts),
        batch.context_first.split(batch.context_counts),
        batch.context_second.split(batch.context_counts),
    )
    for hidden, rows, first, second in zip(*parts, strict=True):
        rows = rows[:, :, : len(hidden)].permute(2, 0, 1)
        weights = torch.bmm(rows, rows.transpose(1, 2)).flatten(1)
        weights = weights[:, (first - start) * rows.shape[1] + second - start].T / heads
        contexts.append(torch.mm(weights / (weights.sum(1, keepdim=True) + 1e-5), hidden))
        start += rows.shape[1]
    return torch.cat(contexts)
