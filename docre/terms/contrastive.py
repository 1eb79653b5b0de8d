"""The supervised contrastive term of VaeDiff-DocRE: pairs that share a relation are drawn together."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from docre.tensors import Batch, ModelOutput
from docre.terms.base import TERMS, Term

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@TERMS.register("contrastive")
class ContrastiveTerm(Term):
    """Supervised contrastive loss of the representations f, a mean over the pairs with a relation:

        L = (tau / tau_b) (1 / m) sum_i -mean_{k in P_i} [sim_ik - ln sum_{l != i} e^{sim_il}]

    with sim_ik = cos(f_i, f_k) / tau. P_i are the other pairs that share a relation with i; a pair that shares none
    adds 0 but counts. Pairs without a relation take no part. Where the model generates pairs (term `augmented`), these
    take part like the others, and the mean is over both. Fewer than two pairs give 0 (published: NaN). Takes memory for
    [m, m].

    Unlike the contrastive term of `pemscl` it takes what the classifier reads of a pair for its representation, and
    pairs without a relation are not in the sums. It compares the pairs of a batch with each other: of a step that is
    split into parts, only those in the same part.

    Parameters: temperature tau and base_temperature tau_b, published 1 and 0.5.
    Reference: Tran et al. 2025 (COLING), VaeDiff-DocRE.
    """

    reference = "Tran et al. 2025 (COLING), VaeDiff-DocRE"
    wants = frozenset({"representation"})
    over = "labeled"
    compares_pairs = True

    def __init__(self, temperature: Positive = 1.0, base_temperature: Positive = 0.5) -> None:
        super().__init__()
        self.temperature = temperature
        self.base_temperature = base_temperature

    def forward(self, output: ModelOutput, batch: Batch) -> Tensor:
        assert batch.labels is not None
        labeled = batch.labels.any(1)
        features, labels = output.auxiliaries["representation"][labeled], batch.labels[labeled]
        if "augmented_representation" in output.auxiliaries:
            features = torch.cat([features, output.auxiliaries["augmented_representation"]])
            labels = torch.cat([labels, output.auxiliaries["augmented_labels"]])
        if len(features) < 2:
            return features.sum() * 0
        mean = pull(features, labels, self.temperature).mean() * (self.temperature / self.base_temperature)
        return mean * labeled.sum()


def pull(features: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """-mean_{k in P_i} [sim_ik - ln sum_{l != i} e^{sim_il}] of each pair i, 0 where P_i is empty.

    features [m, hidden], labels bool [m, R], m > 1 -> [m].
    """
    directions = normalize(features, dim=1)
    similarities = directions @ directions.T / temperature
    itself = torch.eye(len(features), dtype=torch.bool, device=features.device)
    shared = labels.to(similarities.dtype)
    partners = (shared @ shared.T > 0) & ~itself
    counts = partners.sum(1)
    attraction = similarities.masked_fill(~partners, 0).sum(1) / counts.clamp(min=1)
    normalizer = similarities.masked_fill(itself, -torch.inf).logsumexp(1)
    return torch.where(counts > 0, normalizer - attraction, 0)
