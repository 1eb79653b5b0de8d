"""Between docre's models and the published ones: names of weights, gradients, documents.

`names` maps prefixes of docre's names to those of the published names.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from docre.data.features import Features, unordered_pairs
from tests.models.published.padded import Document


def published_name(name: str, names: Mapping[str, str]) -> str:
    """The published name of a weight of docre's model."""
    for own, published in names.items():
        if name.startswith(own):
            return published + name.removeprefix(own)
    return name


def load_published(model: nn.Module, weights: Mapping[str, Tensor] | nn.Module, names: Mapping[str, str]) -> None:
    """Load published weights into docre's model, or those of docre's model into a published one. Published models have
    weights without any effect, which docre's leave out; all others have to be there."""
    if isinstance(weights, nn.Module):
        translated = {published_name(name, names): value for name, value in weights.state_dict().items()}
        assert not model.load_state_dict(translated, strict=False).unexpected_keys
    else:
        model.load_state_dict({name: weights[published_name(name, names)] for name in model.state_dict()})


def published_gradients(model: nn.Module, names: Mapping[str, str]) -> dict[str, Tensor]:
    """The gradients of docre's model by the published names of its parameters."""
    return {published_name(n, names): p.grad for n, p in model.named_parameters() if p.grad is not None}


def features_of(documents: Sequence[Document]) -> list[Features]:
    """Features of a reference's documents. A mention whose marker would be the final [SEP] or beyond is left out."""
    features = []
    for d in documents:
        spans = [(start + 1, end + 1, e) for e, mentions in enumerate(d.mentions) for start, end in mentions]
        kept = np.array([s for s in spans if s[0] < len(d.input_ids) - 1], dtype=np.int64).reshape(-1, 3)
        pairs = np.array(d.pairs, dtype=np.int64).reshape(-1, 2)
        contexts, pair_context = unordered_pairs(pairs)
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
                labels=d.labels.nonzero().numpy(),
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
        documents.append(Document(f.input_ids.tolist(), mentions, f.pairs.tolist(), labels, title=f.title))
    return documents
