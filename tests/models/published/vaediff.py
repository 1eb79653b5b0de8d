"""VaeDiff-DocRE's base model (Tran et al. 2025, COLING), which is KD-DocRE's, and its two losses.

A feature is predicted for every cell of a document's entity map, the diagonal too, all of them row by row. What is
published is the default.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity
from transformers import BertConfig

from tests.models.published.kd_docre import SelfAttention
from tests.models.published.padded import Document, PaddedModel, grouped_product

TINY = 1e-30


class AxialTransformer(nn.Module):
    """X [N, N, hidden] -> the same shape; the first dimension is the head's."""

    def __init__(self, size: int, heads: int, layers: int) -> None:
        super().__init__()
        self.axial_attns = nn.ModuleList(
            nn.ModuleDict(
                {
                    "axial_attentions": nn.ModuleList(
                        nn.ModuleDict({"fn": SelfAttention(size, heads)}) for _ in ("of one tail", "of one head")
                    )
                }
            )
            for _ in range(layers)
        )
        self.ffns = nn.ModuleList(nn.Linear(size, size) for _ in range(layers))
        self.lns = nn.ModuleList(nn.LayerNorm(size) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for attentions, linear, norm in zip(self.axial_attns, self.ffns, self.lns, strict=True):
            of_tail, of_head = (attention["fn"] for attention in attentions["axial_attentions"])
            columns = of_tail(x.transpose(0, 1)).transpose(0, 1)
            x = norm(linear(x + columns + of_head(x)))
        return x


@dataclass
class Output:
    """Of each cell: logits [1 + relations], zero on the diagonal; f [hidden], what the classifier reads; and whether it
    is on the diagonal. As published these cells count in the classification loss; repaired: they are left out."""

    logits: Tensor
    feature: Tensor
    diagonal: Tensor


class BaseModel(PaddedModel):
    def __init__(
        self,
        config: BertConfig,
        num_classes: int,
        head_size: int,
        block_size: int,
        map_size: int,
        axial_layers: int,
        axial_heads: int,
    ) -> None:
        super().__init__(config)
        hidden = config.hidden_size
        self.block_size = block_size
        self.map_size = map_size
        self.head_extractor = nn.Linear(2 * hidden, head_size)
        self.tail_extractor = nn.Linear(2 * hidden, head_size)
        self.projection = nn.Linear(head_size * block_size, hidden, bias=False)
        self.axial_transformer = AxialTransformer(hidden, axial_heads, axial_layers)
        self.classifier = nn.Linear(hidden, num_classes)

    def forward(self, documents: list[Document], zero_padding: bool = False) -> Output:
        """zero_padding: as in the training of stage 1, cells beyond the entities have zero features before the axial
        layers; everywhere else they have the features that e = c = 0 give."""
        logits, features = [], []
        for document, (hidden, attention) in zip(documents, self.read(documents), strict=True):
            n, size = len(document.mentions), self.map_size
            e, a = self.entities(hidden, attention, document.mentions)
            heads, tails, contexts = (hidden.new_zeros(size, size, hidden.shape[1]) for _ in range(3))
            for i in range(n):
                for j in range(n):
                    weights = (a[i] * a[j]).sum(0)
                    heads[i, j], tails[i, j] = e[i], e[j]
                    contexts[i, j] = weights @ hidden / (weights.sum() + 1e-10)
            z_head = torch.tanh(self.head_extractor(torch.cat([heads, contexts], dim=2)))
            z_tail = torch.tanh(self.tail_extractor(torch.cat([tails, contexts], dim=2)))
            projected = self.projection(grouped_product(z_head, z_tail, self.block_size))
            if zero_padding:
                real = hidden.new_zeros(size, size, 1)
                real[:n, :n] = 1
                projected = projected * real
            f = self.axial_transformer(projected) + projected
            off_diagonal = 1 - torch.eye(size).to(f)
            own = self.classifier(f) * off_diagonal[:, :, None]
            logits.append(own[:n, :n].flatten(0, 1))
            features.append(f[:n, :n].flatten(0, 1))
        diagonal = torch.cat([torch.eye(len(d.mentions), dtype=torch.bool).flatten() for d in documents])
        return Output(torch.cat(logits), torch.cat(features), diagonal)


def binary_entropy(margins: Tensor) -> Tensor:
    """H(sigma(d)) of each margin d."""
    p, q = margins.sigmoid(), (-margins).sigmoid()
    return -(p * (p + TINY).log() + q * (q + TINY).log())


def classification_loss(logits: Tensor, labels: Tensor, pair_by_pair: bool = False) -> Tensor:
    """L_cls of all cells, PMT-EM with both lambdas 1: logits [cells, 1 + relations], labels bool [cells, relations].

    As published the entropy's sum and the divisor are each averaged over the cells, and then multiplied.
    pair_by_pair: repaired, each cell's own sum is divided by its own divisor.
    """
    margins = logits[:, 1:] - logits[:, :1]
    positive = labels.to(margins)
    negative = 1 - positive
    ell = -(positive * (margins.sigmoid() + TINY).log() + negative * ((-margins).sigmoid() + TINY).log()).sum(1)
    entropy = binary_entropy(margins)
    loss = ell.mean()
    for chosen in (positive, negative):
        h, k = (entropy * chosen).sum(1), chosen.sum(1).clamp(min=1)
        loss = loss + ((h / k).mean() if pair_by_pair else h.mean() * (1 / k).mean())
    return loss


def contrastive_loss(
    features: Tensor, labels: Tensor, tau: float = 1.0, tau_base: float = 0.5, zero: bool = False
) -> Tensor:
    """L_scl over the cells with a relation: features [cells, hidden], labels bool [cells, relations].

    zero: repaired, 0 where fewer than two cells have a relation; as published NaN.
    """
    related = labels.any(1)
    features, labels = features[related], labels[related]
    m = len(features)
    if m < 2:
        return features.sum() * (0.0 if zero else torch.nan)
    losses = []
    for i in range(m):
        others = [k for k in range(m) if k != i]
        similarity = cosine_similarity(features[i : i + 1], features[others]) / tau
        partners = (labels[i] & labels[others]).any(1)
        if partners.any():
            losses.append(similarity.logsumexp(0) - similarity[partners].mean())
        else:
            losses.append(similarity.new_zeros(()))
    return tau / tau_base * torch.stack(losses).mean()
