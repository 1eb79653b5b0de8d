"""PMT-EM as in VaeDiff-DocRE: pairwise thresholds with entropy minimization, its means mixed up as published."""

from torch import Tensor

from docre.losses.base import LOSSES, NonNegative, ThresholdClassDecision
from docre.losses.pemscl import binary_entropy
from docre.losses.sat import logistic
from docre.tensors import ModelOutput


@LOSSES.register("pmt_em")
class PMTEM(ThresholdClassDecision):
    """Pairwise moving-threshold loss with entropy minimization, as the code of VaeDiff-DocRE computes it.

    With k_P = max(|P|, 1), k_N = max(|N|, 1), H the binary entropy, and all means over the pairs of the batch:

    L = mean( sum_{p in P} -log sigma(d_p) + sum_{n in N} -log sigma(-d_n) )
        + l1 mean( sum_{p in P} H(sigma(d_p)) ) mean(1 / k_P) + l2 mean( sum_{n in N} H(sigma(d_n)) ) mean(1 / k_N)

    What is meant divides each pair's own sum by its own k: that is `pemscl` with contrastive: 0. The slip mixes the
    pairs, so the loss is a function of the whole batch, not a mean over pairs. (The published code takes the logarithm
    of p + 1e-30, which is never below -69 and has no gradient there; here the logarithm is exact.)

    Parameters: positive_entropy, negative_entropy >= 0, the weights l1, l2; published 1 each.
    Use it to reproduce VaeDiff-DocRE, with the term `contrastive` beside it.
    Siblings: `pemscl`, with the means pair by pair; with l1 = l2 = 0 both are `sat`.
    Reference: Tran et al. 2025, "VaeDiff-DocRE: End-to-end Data Augmentation Framework for Document-level Relation
    Extraction" (COLING); the loss meant is from Guo et al. 2023 (EACL).
    """

    reference = "Tran et al. 2025 (COLING), VaeDiff-DocRE"

    def __init__(
        self, num_relations: int, positive_entropy: NonNegative = 1.0, negative_entropy: NonNegative = 1.0
    ) -> None:
        super().__init__(num_relations)
        self.positive_entropy = positive_entropy
        self.negative_entropy = negative_entropy

    def compute(self, output: ModelOutput, labels: Tensor) -> Tensor:
        margins = self.unshifted_margins(output.logits)
        entropies = binary_entropy(margins)
        loss = logistic(margins, labels).sum(1).mean()
        for weight, chosen in ((self.positive_entropy, labels), (self.negative_entropy, ~labels)):
            sums, counts = entropies.masked_fill(~chosen, 0).sum(1), chosen.sum(1, dtype=margins.dtype).clamp(min=1)
            loss = loss + weight * sums.mean() * (1 / counts).mean()
        return loss
