"""DeBERTa v2 and v3 over packed windows: the scores of its attention are those of the tokens and, as a bias, those of
tokens and their relative positions (He et al. 2021)."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers.models.deberta_v2.modeling_deberta_v2 import ConvLayer, DebertaV2Encoder, DisentangledSelfAttention

from docre.models.attention import Bias, attend
from docre.models.plan import current_plan
from docre.models.swap import Kinds


class PackedEncoder(DebertaV2Encoder):
    """Makes tables for the longest window instead of for all tokens of the batch."""

    def get_attention_mask(self, attention_mask: Tensor) -> Tensor:
        return attention_mask  # not read

    def get_rel_pos(self, hidden_states: Tensor, *arguments: Any) -> Tensor | None:
        """Relative positions, in buckets [1, longest window, longest window]."""
        return super().get_rel_pos(hidden_states[:, : current_plan().longest], *arguments)


class PackedSelfAttention(DisentangledSelfAttention):
    """[1, tokens, hidden] -> ([1, tokens, hidden], None)"""

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Any,
        output_attentions: bool = False,
        query_states: None = None,
        relative_pos: Tensor | None = None,
        rel_embeddings: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        heads = self.num_attention_heads
        parts = self.query_proj, self.key_proj, self.value_proj
        q, k, v = (self.transpose_for_scores(part(hidden_states), heads) for part in parts)  # [heads, tokens, size]
        kinds = 1 + ("c2p" in self.pos_att_type) + ("p2c" in self.pos_att_type)
        scale = (self.attention_head_size * kinds) ** -0.5
        bias = None
        if self.relative_attention and kinds > 1:
            assert relative_pos is not None and rel_embeddings is not None
            bias = self.positional_scores(relative_pos[0], self.pos_dropout(rel_embeddings), scale)
        dropout = self.dropout.p if self.training else 0.0
        return attend(q[None], k[None], v[None], scale, dropout, bias).flatten(2), None

    def positional_scores(self, distance: Tensor, embeddings: Tensor, scale: float) -> Bias:
        """c2p, of a query and where its key is, and p2c, of a key and where its query is, as a function of queries and
        keys [windows, heads, length, size].

        distance:   of a query to a key, in buckets [longest window, longest window].
        embeddings: of the distances from -span to span - 1, [2 * span, hidden].
        """
        span = self.pos_ebd_size

        def project(part: str, shared: str) -> Tensor:
            """[heads, size, 2 * span]"""
            layer = getattr(self, shared if self.share_att_key else part)
            projected = self.transpose_for_scores(layer(embeddings[None, : 2 * span]), self.num_attention_heads)
            return projected.transpose(1, 2) * scale

        def place(signed: Tensor) -> Tensor:
            return (span + signed).clamp(0, 2 * span - 1)

        c2p = (project("pos_key_proj", "key_proj"), place(distance)) if "c2p" in self.pos_att_type else None
        p2c = (project("pos_query_proj", "query_proj"), place(-distance)) if "p2c" in self.pos_att_type else None

        def bias(q: Tensor, k: Tensor) -> Tensor:
            found = [] if c2p is None else [recomputed(pick, q, *c2p)]
            found += [] if p2c is None else [recomputed(pick, k, *p2c).transpose(2, 3)]
            return sum(found[1:], found[0])

        return bias


# What runs by it is run again in the backward pass: `gather` would keep all products, twice what the attention keeps.
recomputed = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)


def pick(tokens: Tensor, embeddings: Tensor, place: Tensor) -> Tensor:
    """Of the products of tokens [windows, heads, length, size] and embeddings [heads, size, places], that at the place
    of each other token [longest window, longest window]: [windows, heads, length, length]."""
    windows, heads, length, _ = tokens.shape
    return torch.matmul(tokens, embeddings).gather(3, place[:length, :length].expand(windows, heads, -1, -1))


class PackedConv(ConvLayer):
    """The convolution that some v2 models have beside their first layer, which must not reach into the next window."""

    def forward(self, hidden_states: Tensor, residual_states: Tensor, input_mask: Any) -> Tensor:
        plan = current_plan()
        hidden, residual = (plan.spread(x).squeeze(1) for x in (hidden_states, residual_states))
        return plan.gather(super().forward(hidden, residual, plan.padded[1].long()))[None]


KINDS: Kinds = {DebertaV2Encoder: PackedEncoder, DisentangledSelfAttention: PackedSelfAttention, ConvLayer: PackedConv}
