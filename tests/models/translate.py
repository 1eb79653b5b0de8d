"""docre's models beside the published ones: the same weights, gradients by published names, the same documents."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features, unordered_pairs
from docre.inference.published import name_here
from docre.models import Model
from docre.tensors import Batch
from tests.models.published.padded import Document


def load(model: Model, weights: Mapping[str, Tensor]) -> None:
    """Give the model weights with published names. Published models have some that docre's leave out; batch norms keep
    their counter, which the golden files do not have."""
    named = {name: value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    named |= {name_here(name, model): value for name, value in weights.items()}
    model.load_state_dict({name: named[name] for name in model.state_dict()})


def load_reference(reference: nn.Module, model: Model) -> None:
    """Give a reference the weights of docre's model; those that docre's leaves out have no effect."""
    own = model.state_dict()
    names = {name: name_here(name, model) for name in reference.state_dict()}
    reference.load_state_dict({n: own[here] for n, here in names.items() if here in own}, strict=False)
    assert set(names.values()) >= set(own)


def gradients(model: Model, published: Sequence[str]) -> dict[str, Tensor]:
    """The gradients of the model by published names, those of `published` that it has."""
    parameters = dict(model.named_parameters())
    found = {name: parameters.get(name_here(name, model)) for name in published}
    return {name: p.grad for name, p in found.items() if p is not None and p.grad is not None}


def assert_gradients(model: Model, reference: nn.Module) -> None:
    """Every parameter has the gradient that it has in the reference; none is one of zeros."""
    for name, parameter in reference.named_parameters():
        own = model.get_parameter(name_here(name, model)).grad
        own, expected = (torch.zeros_like(parameter) if g is None else g for g in (own, parameter.grad))
        torch.testing.assert_close(
            own.double(), expected.double(), atol=1e-4, rtol=1e-3, msg=lambda t, n=name: f"{n}: {t}"
        )


def assert_gradient_norms(model: Model, expected: Mapping[str, float]) -> None:
    """The norm of every gradient that the model has is as golden values have it, by published names."""
    total = sum(norm**2 for norm in expected.values()) ** 0.5
    found = {name: gradient.norm().item() for name, gradient in gradients(model, list(expected)).items()}
    assert all(not expected[name] for name in expected.keys() - found.keys())
    for name, norm in found.items():
        assert norm == pytest.approx(expected[name], rel=1e-4, abs=1e-6 * total), name


def batch_of(documents: Sequence[Document], model: Model, relations: int) -> Batch:
    """The pairs h != t of documents as a batch for the model, whose encoder is a BERT."""
    config = model.encoder.backbone.config
    plan = WindowPlan(model.encoder.max_length, (config.cls_token_id,), (config.sep_token_id,))
    return Collator(plan, relations)(features_of(documents, diagonal=False))


def features_of(documents: Sequence[Document], diagonal: bool = True) -> list[Features]:
    """Features of a reference's documents. A mention whose marker would be the final [SEP] or beyond is left out;
    without `diagonal` pairs of an entity with itself are, too."""
    features = []
    for d in documents:
        spans = [(start + 1, end + 1, e) for e, mentions in enumerate(d.mentions) for start, end in mentions]
        kept = np.array([s for s in spans if s[0] < len(d.input_ids) - 1], dtype=np.int64).reshape(-1, 3)
        pairs = np.array(d.pairs, dtype=np.int64).reshape(-1, 2)
        chosen = diagonal | (pairs[:, 0] != pairs[:, 1])
        pairs = pairs[chosen]
        contexts, pair_context = unordered_pairs(pairs)
        sentence = np.full(len(d.input_ids), -1, dtype=np.int64)
        for s, (start, end) in enumerate(d.sentences):
            sentence[start + 1 : min(end + 1, len(sentence) - 1)] = s
        counts = d.evidence_counts.long().numpy()
        features.append(
            Features(
                title=d.title,
                input_ids=np.array(d.input_ids),
                mentions=kept[:, :2],
                mention_entity=kept[:, 2],
                num_entities=len(d.mentions),
                pairs=pairs,
                contexts=contexts,
                pair_context=pair_context,
                labels=d.labels[torch.from_numpy(chosen)].nonzero().numpy(),
                token_sentence=sentence,
                num_sentences=max(1, len(d.sentences)),
                evidence=np.repeat(np.argwhere(counts > 0), counts[counts > 0], axis=0).reshape(-1, 2),
            )
        )
    return features


def documents_of(features: Sequence[Features], relations: int) -> list[Document]:
    """Documents as the references take them, without those that have no pair; their spans do not count [CLS]."""
    documents = []
    for f in features:
        if not len(f.pairs):
            continue
        mentions = [(f.mentions[f.mention_entity == e] - 1).tolist() for e in range(f.num_entities)]
        labels = torch.zeros(len(f.pairs), relations, dtype=torch.bool)
        if f.labels is not None:
            labels[f.labels[:, 0], f.labels[:, 1]] = True
        places = [(f.token_sentence == s).nonzero()[0] for s in range(f.num_sentences)]
        sentences = [[int(p[0]) - 1, int(p[-1])] if len(p) else [0, 0] for p in places]
        documents.append(Document(f.input_ids.tolist(), mentions, f.pairs.tolist(), labels, sentences, title=f.title))
    return documents
