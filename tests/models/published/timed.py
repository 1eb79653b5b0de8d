"""The published models as the benchmark times them: with the weights of docre's, on lists of documents.

A new one is a line in BUILDERS.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig

from tests.models.published.docunet import DocuNet
from tests.models.published.dreeam import DREEAM
from tests.models.published.kd_docre import KDDocRE
from tests.models.published.padded import Document
from tests.models.published.ttm_re import TTMRE
from tests.models.published.vaediff import BaseModel
from tests.models.translate import load_reference


class Timed(nn.Module):
    """published: the model. logits_of: maps it and documents to the logits of their pairs [pairs, outputs]."""

    def __init__(self, published: nn.Module, logits_of: Callable[[Any, list[Document]], Tensor]) -> None:
        super().__init__()
        self.published = published
        self.logits_of = logits_of

    def forward(self, documents: list[Document]) -> Tensor:
        return self.logits_of(self.published, documents)


def docunet(model: Any, config: BertConfig, outputs: int) -> Timed:
    sizes: dict[str, Any] = {
        "emb_size": model.head_extractor.out_features,
        "block_size": model.block_size,
        "channels": model.map_input.out_features,
        "out": model.unet.outc.out_channels,
        "width": model.unet.inc[0].out_channels,
        "side": model.map_size,
    }
    return Timed(DocuNet(config, outputs, any_size=True, **sizes), lambda m, documents: m(documents).logits)


def dreeam(model: Any, config: BertConfig, outputs: int) -> Timed:
    sizes = model.head_extractor.out_features, model.block_size
    published = DREEAM(config, outputs, *sizes, averaged_layers=model.encoder.averaged_layers)
    return Timed(published, lambda m, documents: m(documents).logits)


def kd_docre(model: Any, config: BertConfig, outputs: int) -> Timed:
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

    return Timed(KDDocRE(config, outputs, any_size=True, **sizes), logits_of)


def ttm_re(model: Any, config: BertConfig, outputs: int) -> Timed:
    transformer = model.memory.transformer.layers
    memory = (
        len(model.memory.tokens),
        len(transformer),
        transformer[0].self_attn.num_heads,
        transformer[0].linear1.out_features,
    )
    published = TTMRE(config, outputs, model.head_extractor.out_features, model.block_size, memory)
    return Timed(published, lambda m, documents: m(documents).logits)


def vaediff(model: Any, config: BertConfig, outputs: int) -> Timed:
    """The base model in the training of its first stage. Its map has to be as large as the largest document's."""
    axial = {"axial_layers": len(model.axial), "axial_heads": model.axial[0].row.heads}
    sizes = {"head_size": model.head_extractor.out_features, "block_size": model.block_size}
    published = BaseModel(config, outputs, **sizes, map_size=model.map_size, **axial)

    def logits_of(published: BaseModel, documents: list[Document]) -> Tensor:
        out = published(documents, zero_padding=published.training)
        return out.logits[~out.diagonal]

    return Timed(published, logits_of)


BUILDERS: dict[str, Callable[[Any, BertConfig, int], Timed]] = {
    "docunet": docunet,
    "dreeam": dreeam,
    "kd_docre": kd_docre,
    "ttm_re": ttm_re,
    "vaediff": vaediff,
}


def published_copy(name: str, model: Any, outputs: int) -> Timed:
    """The published form of docre's model of this name, with its weights. The encoder is a BERT."""
    timed = BUILDERS[name](model, copy.deepcopy(model.encoder.backbone.config), outputs)
    load_reference(timed.published, model)
    return timed
