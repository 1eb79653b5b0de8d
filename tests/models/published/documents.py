"""What the published models have in common, as ATLOP has it: a document's tokens and attention, its entities, the
grouped bilinear features, the decision. One document at a time and nothing padded: published batches mask their
padding, which changes no number."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Document:
    """A document as published code has it.

    input_ids: its tokens, with [CLS] and [SEP].
    mentions:  of each entity, the token positions of its mentions' markers, but for those that the limit cut off.
    pairs:     (head, tail) of each entity pair.
    labels:    bool [pairs, relations].
    """

    input_ids: list[int]
    mentions: list[list[int]]
    pairs: list[tuple[int, int]]
    labels: Tensor


def encode(backbone: nn.Module, input_ids: list[int]) -> tuple[Tensor, Tensor]:
    """The last layer's hidden states [tokens, hidden] and attention [heads, tokens, tokens] of a document.

    Beyond the encoder's limit (512 tokens for BERT) it is read in two windows: its first 511 tokens with [SEP] behind,
    and its last 511 with [CLS] in front. What was added is dropped, hidden states are averaged where the windows
    overlap, attention is added up and divided by the sum of its row.
    """
    length, limit = len(input_ids), backbone.config.max_position_embeddings
    if length <= limit:
        return one_window(backbone, input_ids)
    cls, sep, kept = input_ids[0], input_ids[-1], limit - 1
    first_hidden, first_attention = one_window(backbone, [*input_ids[:kept], sep])
    last_hidden, last_attention = one_window(backbone, [cls, *input_ids[-kept:]])
    first, last = slice(0, kept), slice(length - kept, length)  # where each stands in the document
    hidden = first_hidden.new_zeros(length, first_hidden.shape[1])
    hidden[first] += first_hidden[:-1]
    hidden[last] += last_hidden[1:]
    windows = first_hidden.new_zeros(length, 1)
    windows[first] += 1
    windows[last] += 1
    attention = first_attention.new_zeros(len(first_attention), length, length)
    attention[:, first, first] += first_attention[:, :-1, :-1]
    attention[:, last, last] += last_attention[:, 1:, 1:]
    return hidden / (windows + 1e-10), attention / (attention.sum(2, keepdim=True) + 1e-10)


def one_window(backbone: nn.Module, input_ids: list[int]) -> tuple[Tensor, Tensor]:
    """Hidden states [tokens, hidden] and attention [heads, tokens, tokens] of a single window."""
    out = backbone(torch.tensor([input_ids]), output_attentions=True)
    return out.last_hidden_state[0], out.attentions[-1][0]


def pool_entities(hidden: Tensor, attention: Tensor, mentions: list[list[int]]) -> tuple[Tensor, Tensor]:
    """e [entities, hidden], the logsumexp of each entity's mentions, and A [entities, heads, tokens], the mean of their
    attention rows; an entity that has no mention left has zeros."""
    embeddings, attentions = [], []
    for positions in mentions:
        if positions:
            embeddings.append(torch.stack([hidden[p] for p in positions]).logsumexp(0))
            attentions.append(torch.stack([attention[:, p] for p in positions]).mean(0))
        else:
            embeddings.append(torch.zeros_like(hidden[0]))
            attentions.append(torch.zeros_like(attention[:, 0]))
    return torch.stack(embeddings), torch.stack(attentions)


def grouped_product(head: Tensor, tail: Tensor, block_size: int) -> Tensor:
    """G(head, tail): the outer products of both sides' groups, one after another, laid out in full: [..., size] each ->
    [..., size * block_size], the head's index slow and the tail's fast."""
    head, tail = head.unflatten(-1, (-1, block_size)), tail.unflatten(-1, (-1, block_size))
    return (head[..., :, None] * tail[..., None, :]).flatten(-3)


def predictions(logits: Tensor, threshold: Tensor, places: int, first_column: int = 0) -> Tensor:
    """uint8 [pairs, classes]: 1 at the relations above `threshold` ([pairs, 1]) that are among the `places` highest of
    the columns from `first_column` on, and at column 0 where no relation is."""
    counted = logits[:, first_column:]
    lowest = counted.topk(min(places, counted.shape[1]), dim=1).values[:, -1:]
    chosen = (logits > threshold) & (logits >= lowest)
    chosen[:, 0] = ~chosen[:, 1:].any(1)
    return chosen.to(torch.uint8)
