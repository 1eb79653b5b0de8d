"""MPNet over packed windows. Its attention adds a learned bias for relative positions, shared by all layers."""

from typing import Any

from torch import Tensor
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder, MPNetSelfAttention

from docre.models.attention import attend
from docre.models.plan import current_plan
from docre.models.swap import ClassMap


class PackedEncoder(MPNetEncoder):
    """Computes the bias for the longest window only, [1, heads, longest window, longest window], not for all tokens."""

    def compute_position_bias(self, x: Tensor, *arguments: Any, **options: Any) -> Tensor:
        return super().compute_position_bias(x[:, : current_plan().longest], *arguments, **options)


class PackedSelfAttention(MPNetSelfAttention):
    """Self-attention over packed windows: [1, tokens, hidden] -> ([1, tokens, hidden],)."""

    def forward(
        self, hidden_states: Tensor, attention_mask: Any = None, position_bias: Tensor | None = None, **_: Any
    ) -> tuple[Tensor]:
        shape = (1, -1, self.num_attention_heads, self.attention_head_size)
        q, k, v = (project(hidden_states).view(shape).transpose(1, 2) for project in (self.q, self.k, self.v))
        dropout = self.dropout.p if self.training else 0.0
        attended = attend(q, k, v, self.attention_head_size**-0.5, dropout, position_bias)
        return (self.o(attended.flatten(2)),)


PACKED_CLASSES: ClassMap = {MPNetEncoder: PackedEncoder, MPNetSelfAttention: PackedSelfAttention}
