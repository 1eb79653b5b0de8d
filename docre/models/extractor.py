"""What ATLOP and its successors read of a pair: an entity and what stands between both, through one layer."""

from torch import Tensor, nn

from docre.models.products import linear


def extract(layer: nn.Linear, entities: Tensor, role: Tensor, others: Tensor, other: Tensor | None = None) -> Tensor:
    """z = tanh(W [e; o] + b) of each pair, [pairs, size].

    As W [e; o] = W1 e + W2 o, both parts are computed once for each entity and each `others` and then looked up.

    layer:    W and b; its first columns are those of the entity.
    entities: [entities, hidden] e, and role [pairs] the entity of each pair.
    others:   [others, width] o, and other [pairs] which of them belongs to each pair; without it they have one row for
              each pair.
    """
    of_entity, of_other = layer.weight.split([entities.shape[1], others.shape[1]], dim=1)
    by_entity = linear(entities, of_entity, layer.bias).index_select(0, role)
    by_other = linear(others, of_other)
    return by_entity.add_(by_other if other is None else by_other.index_select(0, other)).tanh_()
