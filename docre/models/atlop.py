"""ATLOP: localized context pooling and a grouped bilinear classifier (Zhou et al. 2021)."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from docre.models.base import MODELS, NOTHING, Model
from docre.models.bilinear import BlockSize, GroupedBilinear, HeadSize
from docre.models.encoder import Encoder
from docre.models.extractor import extract
from docre.models.pooling import pool_attention, pool_contexts, pool_entities, pool_tokens, pool_weights
from docre.tensors import Batch, ModelOutput


@MODELS.register("atlop")
class ATLOP(Model):
    """Localized context pooling and a grouped bilinear classifier:

        z_h = tanh(W_h [e_h; c] + b_h), z_t = tanh(W_t [e_t; c] + b_t)
        logits = grouped bilinear (z_h, z_t)

    Parameters: head_size, the size of z (published: 768); block_size, numbers in a group (published: 64).
    Reference: Zhou et al. 2021, "Document-Level Relation Extraction with Adaptive Thresholding and Localized Context
    Pooling" (AAAI), eq. 3 to 5 and 11.
    """

    reference = "Zhou et al. 2021 (AAAI), ATLOP"
    offers = frozenset({"attention"})
    epsilon = 1e-5  # added to the sum of a context's weights before they are divided by it

    def __init__(
        self,
        encoder: Encoder,
        num_outputs: int,
        head_size: HeadSize = 768,
        block_size: BlockSize = 64,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.block_size = block_size
        self.head_extractor = nn.Linear(2 * encoder.hidden_size, head_size)
        self.tail_extractor = nn.Linear(2 * encoder.hidden_size, head_size)
        self.bilinear = GroupedBilinear(head_size, block_size, num_outputs)

    def forward(self, batch: Batch, wanted: frozenset[str] = NOTHING) -> ModelOutput:
        tokens, attention = self.encoder(batch)
        if "attention" not in wanted:
            return self.classify(*self.pool(tokens, attention, batch), batch)
        with torch.autocast(tokens.device.type, enabled=False):
            weights = pool_weights(pool_attention(attention, batch), batch, self.epsilon)
            pooled = pool_entities(tokens, batch), pool_tokens(tokens, weights, batch)
        return replace(self.classify(*pooled, batch), attention=weights)

    def pool(self, tokens: Tensor, attention: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The embedding of each entity [entities, hidden] and the context of each unordered pair [contexts, hidden]."""
        with torch.autocast(tokens.device.type, enabled=False):
            rows = pool_attention(attention, batch)
            return pool_entities(tokens, batch), pool_contexts(tokens, rows, batch, self.epsilon)

    def classify(self, entities: Tensor, contexts: Tensor, batch: Batch) -> ModelOutput:
        """The logits of each pair, from its entities and its context."""
        head = self._extract(self.head_extractor, entities, contexts, batch.pair_head, batch)
        tail = self._extract(self.tail_extractor, entities, contexts, batch.pair_tail, batch)
        return ModelOutput(self.bilinear(head, tail), head, tail)

    def _extract(self, layer: nn.Linear, entities: Tensor, contexts: Tensor, role: Tensor, batch: Batch) -> Tensor:
        """tanh(W [e; c] + b) in groups, [pairs, groups, block]."""
        return extract(layer, entities, role, contexts, batch.pair_context).unflatten(1, (-1, self.block_size))
