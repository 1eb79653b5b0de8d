"""Knowledge distillation: the logits are drawn to those of a teacher."""

from torch import Tensor

from docre.tensors import Batch, ModelOutput
from docre.terms.base import TERMS, Term


@TERMS.register("distil")
class DistilTerm(Term):
    """The squared difference from a teacher's logits, without a temperature, a mean over pairs and outputs:

        L = (1 / N) sum_pairs (1 / C) sum_c (student_c - teacher_c)^2

    Teacher and student need losses with the same outputs. KD-DocRE counts the pair of each entity with itself too,
    which adds 0 to the sum (`Model.loss_rows`).

    Published weight: 1, on distant data.
    Reference: Tan et al. 2022 (Findings of ACL), KD-DocRE, section 3.4.
    """

    reference = "Tan et al. 2022 (Findings of ACL), KD-DocRE, section 3.4"
    targets = frozenset({"logits"})

    def forward(self, output: ModelOutput, batch: Batch) -> Tensor:
        difference = output.logits - batch.targets["logits"].to(output.logits.dtype)
        return difference.square().mean(1).sum()
