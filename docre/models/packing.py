"""Packed encoders: those that can run on the tokens of all windows concatenated, without padding."""

from typing import Any

from transformers.activations import GELUActivation, NewGELUActivation

from docre.models import deberta, mpnet
from docre.models.attention import PACKED
from docre.models.gelu import Gelu, join_gelu
from docre.models.swap import ClassMap, change_classes, swap

# Encoder types that use transformers' attention interface, whose attention is softmax(q k^T) v over all tokens or a
# sliding window, with learned or rotary positions. Replacing the attention function is enough.
INTERFACE_TYPES = frozenset(
    {"albert", "bert", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"}
)
# Encoder types with an attention of their own, and the classes of their modules to replace.
REPLACED: dict[str, ClassMap] = {"deberta-v2": deberta.PACKED_CLASSES, "mpnet": mpnet.PACKED_CLASSES}
PACKED_TYPES = INTERFACE_TYPES | REPLACED.keys()


def pack(backbone: Any) -> bool:
    """Make an encoder run packed, in place, if its type allows that; return whether it does.

    A packed encoder takes [1, tokens] and has to be called within `AttentionPlan.active`.
    """
    model_type = backbone.config.model_type
    if model_type not in PACKED_TYPES:
        return False
    if model_type in INTERFACE_TYPES:
        backbone.set_attn_implementation(PACKED)
    change_classes(backbone, REPLACED.get(model_type, {}))
    swap(backbone, GELUActivation, lambda _: Gelu())
    swap(backbone, NewGELUActivation, lambda _: Gelu("tanh"))
    join_gelu(backbone)
    return True
