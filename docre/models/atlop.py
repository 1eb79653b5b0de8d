"""ATLOP: localized context pooling and a grouped bilinear classifier (Zhou et al. 2021)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import linear

from docre.errors import DocreError
from docre.models.base import MODELS, Model
from docre.models.bilinear import GroupedBilinear
from docre.models.encoder import Encoder
from docre.models.pooling import pool_attention, pool_contexts, pool_entities, pool_weights
from docre.tensors import Batch, ModelOutput


@MODELS.register("atlop")
class ATLOP(Model):
    """z_h = tanh(W_h [e_h; c]), z_t = tanh(W_t [e_t; c]), logits = grouped bilinear (z_h, z_t).

    Parameters: head_size, the size of z (published: 768); block_size, numbers in a group (published: 64).
    Reference: Zhou et al. 2021, "Document-Level Relation Extraction with Adaptive Thresholding and Localized Context
    Pooling" (AAAI), eq. 3 to 5 and 11.
    """

    reference = "Zhou et al. 2021 (AAAI), ATLOP"

    def __init__(
        self,
        encoder: Encoder,
        num_outputs: int,
        head_size: Annotated[int, Field(gt=0, le=2**16)] = 768,
        block_size: Annotated[int, Field(gt=0, le=2**10)] = 64,
    ) -> None:
        super().__init__()
        if head_size % block_size:
            raise DocreError(f"model.head_size: expected a multiple of block_size {block_size}, got {head_size}")
        self.encoder = encoder
        self.block_size = block_size
        self.head_extractor = nn.Linear(2 * encoder.hidden_size, head_size)
        self.tail_extractor = nn.Linear(2 * encoder.hidden_size, head_size)
        self.bilinear = GroupedBilinear(head_size, block_size, num_outputs)

    def forward(self, batch: Batch) -> ModelOutput:
        tokens, attention = self.encoder(batch)
        entities, contexts = self.pool(tokens, attention, batch)
        return self.classify(entities, contexts, batch)

    def pool(self, tokens: Tensor, attention: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The embedding of each entity [entities, hidden] and the context of each unordered pair [contexts, hidden]."""
        with torch.autocast(tokens.device.type, enabled=False):
            return pool_entities(tokens, batch), pool_contexts(tokens, pool_attention(attention, batch), batch)

    def context_attention(self, batch: Batch) -> Tensor:
        """The weights of localized context pooling (eq. 9)."""
        rows = pool_attention(self.encoder(batch)[1], batch)
        return pool_weights(rows, batch)

    def classify(self, entities: Tensor, contexts: Tensor, batch: Batch) -> ModelOutput:
        """The logits of each pair, from its entities and its context."""
        head = self._extract(self.head_extractor, entities, contexts, batch.pair_head, batch)
        tail = self._extract(self.tail_extractor, entities, contexts, batch.pair_tail, batch)
        return ModelOutput(self.bilinear(head, tail), head, tail)

    def _extract(self, layer: nn.Linear, entities: Tensor, contexts: Tensor, role: Tensor, batch: Batch) -> Tensor:
        """tanh(W [e; c] + b) in groups, [pairs, groups, block]. W [e; c] = W1 e + W2 c, with W1 e once for each entity
        and W2 c once for each unordered pair."""
        of_entity, of_context = layer.weight.split(entities.shape[1], dim=1)
        by_entity = linear(entities, of_entity, layer.bias).index_select(0, role)
        by_context = linear(contexts, of_context).index_select(0, batch.pair_context)
        return by_entity.add_(by_context).tanh_().unflatten(1, (-1, self.block_size))
