"""The entity model: scores of spans and of pairs of mentions."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from docre.entities.batch import EntityBatch
from docre.entities.names import FEATURES
from docre.entities.shapes import SHAPE_SIZE
from docre.models.encoder import Encoder


class EntityModel(nn.Module):
    """Scores every span of words inside a sentence, and every pair of mentions:

        u = gelu(W_s x_first + W_e y_last + w_length + b),  types = softmax(W_t u + b_t), the first of which is "none"
        m = gelu(W_m [x_first; y_last] + b_m)
        same(i, j) = sigmoid(w . gelu(W_1 (m_i + m_j) + W_2 (m_i * m_j) + W_3 n_ij + b_1) + b_2)

    x_first is the hidden state of the first piece of the span's first word, and y_last that of the last piece of its
    last word, each with the word's shape c (docre.entities.shapes), [h; c]; n_ij compares the names
    (docre.entities.names). The score of a pair does not depend on its order.
    After JEREX (Eberts and Ulges 2021, "An End-to-end Model for Entity-level Relation Extraction using Multi-instance
    Learning", EACL), section 3, with all spans as negatives, the shapes of words, and names compared.

    types: number of types of entities. size: of u and m. max_words: of a span. dropout: of u and m.
    """

    def __init__(
        self, encoder: Encoder, types: int, size: int = 256, max_words: int = 10, dropout: float = 0.1
    ) -> None:
        super().__init__()
        of_word = encoder.hidden_size + SHAPE_SIZE
        self.encoder = encoder
        self.rate_groups: dict[str, Any] = {}
        self.first, self.last = nn.Linear(of_word, size), nn.Linear(of_word, size, bias=False)
        self.length = nn.Embedding(max_words + 1, size)
        self.types = nn.Linear(size, types + 1)
        self.mention = nn.Linear(2 * of_word, size)
        self.sum, self.product = nn.Linear(size, size, bias=False), nn.Linear(size, size, bias=False)
        self.names = nn.Linear(FEATURES, size)
        self.same = nn.Linear(size, 1)
        self.dropout = nn.Dropout(dropout)

    def words(self, batch: EntityBatch) -> tuple[Tensor, Tensor]:
        """x and y of each word, [words, hidden + SHAPE_SIZE] twice, in float32: the hidden states of its first and of
        its last piece, with its shape."""
        tokens, _ = self.encoder(batch)
        ends = (tokens.index_select(0, place) for place in (batch.word_first, batch.word_last))
        first, last = (torch.cat([states, batch.word_shapes], dim=1) for states in ends)
        return first, last

    def span_sides(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """W_s x and W_e y of each word, [words, size] twice."""
        return self.first(first), self.last(last)

    def span_logits(self, sides: tuple[Tensor, Tensor], start: Tensor, length: Tensor) -> Tensor:
        """The logits of the types of spans, [spans, types + 1]; `start`: their first words."""
        first, last = sides
        end = start + length - 1
        summed = first.index_select(0, start) + last.index_select(0, end) + self.length(length).to(first.dtype)
        return self.types(self.dropout(gelu(summed))).float()

    def mentions(self, words: tuple[Tensor, Tensor], start: Tensor, length: Tensor) -> Tensor:
        """m of spans, [spans, size]."""
        first, last = words
        both = [first.index_select(0, start), last.index_select(0, start + length - 1)]
        return self.dropout(gelu(self.mention(torch.cat(both, dim=1))))

    def pair_logits(self, one: Tensor, other: Tensor, names: Tensor) -> Tensor:
        """The logits of pairs of mentions to be of one entity, [...]; of their m [..., size] and n [..., FEATURES]."""
        hidden = gelu(self.sum(one) + self.sum(other) + self.product(one * other) + self.names(names.to(one.dtype)))
        return self.same(hidden).squeeze(-1).float()
