"""docre's models beside the published ones: the same weights, and the same documents as a Batch."""

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features
from docre.models import Model
from docre.tensors import Batch
from tests.models.published.documents import Document

ENCODER = {r"^(bert_)?model\.pooler\..*": "", r"^(bert_)?model\.": "encoder.backbone."}


def name_here(published: str, model: Model) -> str:
    """What a weight of a published checkpoint is called in docre; "" for one that docre leaves out."""
    for pattern, replacement in (ENCODER | dict(model.published_names)).items():
        published, found = re.subn(pattern, replacement, published)
        if found:
            break
    return published


def load(model: Model, weights: dict[str, Tensor]) -> None:
    """Give the model weights that are named as published; those of layers that it does not have are left out."""
    named = {name_here(name, model): value for name, value in weights.items()}
    expected = model.state_dict()
    named = {n: v for n, v in named.items() if n in expected or (n and not n.startswith("axial."))}
    counters = {n: v for n, v in expected.items() if n.endswith("num_batches_tracked")}
    model.load_state_dict(counters | named, strict=True)


def features(document: Document, title: str = "") -> Features:
    """The features of a published model's document, for the pairs h != t among its pairs."""
    mentions = [(p, e) for e, positions in enumerate(document.mentions) for p in positions]
    table = np.array(mentions, dtype=np.int64).reshape(-1, 2)
    kept = off_diagonal(document)
    pairs = np.array(document.pairs, dtype=np.int64).reshape(-1, 2)[kept]
    contexts, pair_context = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    return Features(
        title=title,
        input_ids=np.array(document.input_ids),
        mentions=np.stack([table[:, 0], table[:, 0] + 1], axis=1),
        mention_entity=table[:, 1],
        num_entities=len(document.mentions),
        pairs=pairs,
        contexts=contexts,
        pair_context=pair_context.reshape(-1),
        labels=document.labels[kept].nonzero().numpy(),
        token_sentence=np.full(len(document.input_ids), -1, dtype=np.int64),
        num_sentences=0,
        evidence=np.empty((0, 2), dtype=np.int64),
    )


def off_diagonal(document: Document) -> list[int]:
    """The numbers of a document's pairs without those of an entity with itself."""
    return [i for i, (head, tail) in enumerate(document.pairs) if head != tail]


def batch(documents: list[Document], model: Model, relations: int) -> Batch:
    """The documents as a batch for the model, whose encoder is a BERT."""
    config = model.encoder.backbone.config
    plan = WindowPlan(model.encoder.max_length, (config.cls_token_id,), (config.sep_token_id,))
    return Collator(plan, relations)([features(d, f"document {i}") for i, d in enumerate(documents)])


def assert_gradients(model: Model, published: nn.Module) -> None:
    """Every parameter has the gradient that it has in the published model."""
    for name, parameter in published.named_parameters():
        here = name_here(name, model)
        if here:
            own, expected = (zeros_for_none(p).double() for p in (model.get_parameter(here), parameter))
            torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-3, msg=lambda text, n=name: f"{n}: {text}")


def assert_gradient_norms(model: Model, expected: dict[str, float]) -> None:
    """The norm of every gradient is as golden values have it, by published names."""
    total = sum(norm**2 for norm in expected.values()) ** 0.5
    for name, norm in expected.items():
        here = name_here(name, model)
        if here:
            own = zeros_for_none(model.get_parameter(here)).norm().item()
            assert own == pytest.approx(norm, rel=1e-4, abs=1e-6 * total), name


def zeros_for_none(parameter: nn.Parameter) -> Tensor:
    """A parameter's gradient; zeros where it has none."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
