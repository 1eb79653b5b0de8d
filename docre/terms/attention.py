"""DREEAM's self-training: the context attention is drawn to that of a teacher."""

from torch import Tensor

from docre.tensors import Batch, ModelOutput, occurrences
from docre.terms.base import TERMS, Term, divergence


@TERMS.register("attention")
class AttentionTerm(Term):
    """KL divergence of the context attention from a teacher's, a mean over all pairs:

        L = (1 / N) sum_pairs sum_l t_l (ln t_l - ln q_l)

    with t_l the teacher's and q_l the student's attention of the pair to token l, [CLS] and [SEP] included. The two
    directions of a pair share their attention.

    Published weight: 0.1 with BERT-base, 0.05 with RoBERTa-large, on distant data.
    Reference: Ma et al. 2023 (EACL), DREEAM, section 3.3.
    """

    reference = "Ma et al. 2023 (EACL), DREEAM, section 3.3"
    wants = frozenset({"attention"})
    targets = frozenset({"attention"})

    def forward(self, output: ModelOutput, batch: Batch) -> Tensor:
        assert output.attention is not None
        values = divergence(batch.targets["attention"].to(output.attention.dtype), output.attention)
        pairs = occurrences(batch.pair_context, len(values))
        return (values * pairs).sum()
