"""DeBERTa v2 and v3 over packed windows. Its attention scores are content-to-content plus, given here as a bias,
content-to-position and position-to-content (He et al. 2021)."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers.models.deberta_v2.modeling_deberta_v2 import ConvLayer, DebertaV2Encoder, DisentangledSelfAttention

from docre.models.attention import Bias, attend
from docre.models.plan import current_plan
from docre.models.swap import ClassMap


class PackedEncoder(DebertaV2Encoder):
    """Builds the relative positions of the longest window only, not of all tokens of the batch."""

    def get_attention_mask(self, attention_mask: Tensor) -> Tensor:
        return attention_mask  # unused by PackedSelfAttention

    def get_rel_pos(self, hidden_states: Tensor, *arguments: Any) -> Tensor | None:
        """The bucket of each relative position, [1, longest window, longest window]."""
        return super().get_rel_pos(hidden_states[:, : current_plan().longest], *arguments)


class PackedSelfAttention(DisentangledSelfAttention):
    """Self-attention over packed windows: [1, tokens, hidden] -> ([1, tokens, hidden], None)."""

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
        projections = self.query_proj, self.key_proj, self.value_proj
        # [heads, tokens, size]
        q, k, v = (self.transpose_for_scores(project(hidden_states), heads) for project in projections)
        terms = 1 + ("c2p" in self.pos_att_type) + ("p2c" in self.pos_att_type)
        scale = (self.attention_head_size * terms) ** -0.5
        bias = None
        if self.relative_attention and terms > 1:
            assert relative_pos is not None and rel_embeddings is not None
            bias = self.positional_bias(relative_pos[0], self.pos_dropout(rel_embeddings), scale)
        dropout = self.dropout.p if self.training else 0.0
        return attend(q[None], k[None], v[None], scale, dropout, bias).flatten(2), None

    def positional_bias(self, distance: Tensor, embeddings: Tensor, scale: float) -> Bias:
        """The positional scores as a function of queries and keys [windows, heads, length, size]: content-to-position
        (c2p, each query with the position of each key) plus position-to-content (p2c, each key with that of each
        query).

        distance:   the bucket of each query's distance to each key, [longest window, longest window].
        embeddings: of the distances from -span to span - 1, [2 * span, hidden].
        """
        span = self.pos_ebd_size

        def project(own_layer: str, shared_layer: str) -> Tensor:
            """The projected embeddings, scaled: [heads, size, 2 * span]."""
            layer = getattr(self, shared_layer if self.share_att_key else own_layer)
            projected = self.transpose_for_scores(layer(embeddings[None, : 2 * span]), self.num_attention_heads)
            return projected.transpose(1, 2) * scale

        def index_of(signed: Tensor) -> Tensor:
            return (span + signed).clamp(0, 2 * span - 1)

        c2p = (project("pos_key_proj", "key_proj"), index_of(distance)) if "c2p" in self.pos_att_type else None
        p2c = (project("pos_query_proj", "query_proj"), index_of(-distance)) if "p2c" in self.pos_att_type else None

        def bias(q: Tensor, k: Tensor) -> Tensor:
            terms = [] if c2p is None else [checkpointed(relative_scores, q, *c2p)]
            terms += [] if p2c is None else [checkpointed(relative_scores, k, *p2c).transpose(2, 3)]
            return sum(terms[1:], terms[0])

        return bias


# Recomputes a function in the backward pass: `gather` would save all its products, twice what the attention saves.
checkpointed = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)


def relative_scores(tokens: Tensor, embeddings: Tensor, index: Tensor) -> Tensor:
    """For every two tokens of a window, the product of the first and the embedding of their relative position.

    tokens [windows, heads, length, size], embeddings [heads, size, positions], index [longest window, longest window]
    (which embedding) -> [windows, heads, length, length].
    """
    windows, heads, length, _ = tokens.shape
    return torch.matmul(tokens, embeddings).gather(3, index[:length, :length].expand(windows, heads, -1, -1))


class PackedConv(ConvLayer):
    """The convolution beside the first layer of some v2 models, kept from reaching into a neighboring window."""

    def forward(self, hidden_states: Tensor, residual_states: Tensor, input_mask: Any) -> Tensor:
        plan = current_plan()
        hidden, residual = (plan.pad_windows(x).squeeze(1) for x in (hidden_states, residual_states))
        return plan.unpad(super().forward(hidden, residual, plan.padded[1].long()))[None]


PACKED_CLASSES: ClassMap = {
    DebertaV2Encoder: PackedEncoder,
    DisentangledSelfAttention: PackedSelfAttention,
    ConvLayer: PackedConv,
}
