"""The published models as the benchmark times them: with the weights of docre's, on documents of docre's features.

A new one is a line in BUILDERS.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from docre.data.features import Features
from docre.models import Model
from tests.models.published.documents import Document
from tests.models.published.docunet import DocuNet
from tests.models.published.fast import name_here
from tests.models.published.kd_docre import KDDocRE


class Timed(nn.Module):
    """published: the model. logits_of: maps it and documents to the logits of their pairs [pairs, outputs]."""

    def __init__(self, published: nn.Module, logits_of: Callable[[Any, list[Document]], Tensor]) -> None:
        super().__init__()
        self.published = published
        self.logits_of = logits_of

    def forward(self, documents: list[Document]) -> Tensor:
        return self.logits_of(self.published, documents)


def docunet(model: Any, backbone: nn.Module, outputs: int) -> Timed:
    sizes: dict[str, Any] = {
        "emb_size": model.head_extractor.out_features,
        "block_size": model.block_size,
        "channels": model.map_input.out_features,
        "out": model.unet.outc.out_channels,
        "width": model.unet.inc[0].out_channels,
        "side": model.map_size,
    }
    return Timed(DocuNet(backbone, outputs, any_size=True, **sizes), lambda m, documents: m(documents).logits)


def kd_docre(model: Any, backbone: nn.Module, outputs: int) -> Timed:
    sizes: dict[str, Any] = {
        "emb_size": model.head_extractor.out_features,
        "block_size": model.block_size,
        "axial_layers": len(model.axial),
        "axial_heads": model.axial[0].row.heads,
        "side": model.map_size,
    }

    def logits_of(published: KDDocRE, documents: list[Document]) -> Tensor:
        cells = [steps.logits for steps in published(documents)]
        chosen = [[h * len(d.mentions) + t for h, t in d.pairs] for d in documents]
        return torch.cat([c[pairs] for c, pairs in zip(cells, chosen, strict=True) if c is not None])

    return Timed(KDDocRE(backbone, outputs, any_size=True, **sizes), logits_of)


BUILDERS: dict[str, Callable[[Any, nn.Module, int], Timed]] = {"docunet": docunet, "kd_docre": kd_docre}


def published_copy(name: str, model: Model, backbone: Any, outputs: int) -> Timed:
    """The published form of docre's model of this name, with its weights. backbone: a new encoder like the model's."""
    backbone.pooler = None
    backbone.set_attn_implementation("eager")
    timed = BUILDERS[name](model, backbone, outputs)
    values = model.state_dict()
    timed.published.load_state_dict({n: values[name_here(n, model)] for n in timed.published.state_dict()})
    return timed


def document(features: Features, relations: int) -> Document:
    """A document as published models take it."""
    mentions: list[list[int]] = [[] for _ in range(features.num_entities)]
    for (start, _), entity in zip(features.mentions.tolist(), features.mention_entity.tolist(), strict=True):
        mentions[entity].append(start)
    labels = torch.zeros(len(features.pairs), relations, dtype=torch.bool)
    assert features.labels is not None
    labels[features.labels[:, 0], features.labels[:, 1]] = True
    pairs = [(head, tail) for head, tail in features.pairs.tolist()]
    return Document(features.input_ids.tolist(), mentions, pairs, labels)
