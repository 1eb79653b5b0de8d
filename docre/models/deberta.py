"""DeBERTa v2 and v3 over packed windows: the scores of its attention are those of the tokens and, as a bias, those of
tokens and their relative positions (He et al. 2021)."""

from typing import Any

from torch import Tensor
from transformers.models.deberta_v2.modeling_deberta_v2 import ConvLayer, DebertaV2Encoder, DisentangledSelfAttention

from docre.models.attention import attend
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
        bias = None
        if self.relative_attention and kinds > 1:
            windows = (current_plan().spread(x).flatten(0, 1) for x in (q, k))
            rel_embeddings = self.pos_dropout(rel_embeddings)
            bias = self.disentangled_attention_bias(*windows, relative_pos, rel_embeddings, kinds)
            bias = bias.unflatten(0, (-1, heads))
        dropout = self.dropout.p if self.training else 0.0
        attended = attend(q[None], k[None], v[None], (self.attention_head_size * kinds) ** -0.5, dropout, bias)
        return attended.flatten(2), None


class PackedConv(ConvLayer):
    """The convolution that some v2 models have beside their first layer, which must not reach into the next window."""

    def forward(self, hidden_states: Tensor, residual_states: Tensor, input_mask: Any) -> Tensor:
        plan = current_plan()
        hidden, residual = (plan.spread(x).squeeze(1) for x in (hidden_states, residual_states))
        return plan.gather(super().forward(hidden, residual, plan.padded[1].long()))[None]


KINDS: Kinds = {DebertaV2Encoder: PackedEncoder, DisentangledSelfAttention: PackedSelfAttention, ConvLayer: PackedConv}
