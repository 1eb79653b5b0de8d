"""Which encoders run packed, and what makes them do so."""

from typing import Any

from transformers.activations import GELUActivation, NewGELUActivation

from docre.models import deberta, mpnet
from docre.models.attention import PACKED
from docre.models.gelu import Gelu
from docre.models.swap import Kinds, recast, swap

# Encoders behind transformers' attention interface whose attention is softmax(q k^T) v, over all tokens or those near
# by, and whose positions are learned or rotary: only the attention function is another.
BEHIND_INTERFACE = frozenset(
    {"albert", "bert", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"}
)
# Encoders with an attention of their own: these parts of them are replaced.
REPLACED: dict[str, Kinds] = {"deberta-v2": deberta.KINDS, "mpnet": mpnet.KINDS}
PACKED_TYPES = BEHIND_INTERFACE | REPLACED.keys()


def pack(backbone: Any) -> bool:
    """Make an encoder run packed if its type is known to allow that; False if it is not, and nothing is changed.

    From then on it takes [1, tokens] and is called within `AttentionPlan.followed`.
    """
    kind = backbone.config.model_type
    if kind not in PACKED_TYPES:
        return False
    if kind in BEHIND_INTERFACE:
        backbone.set_attn_implementation(PACKED)
    recast(backbone, REPLACED.get(kind, {}))
    swap(backbone, GELUActivation, lambda _: Gelu())
    swap(backbone, NewGELUActivation, lambda _: Gelu("tanh"))
    return True
