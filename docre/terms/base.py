"""The base class of terms. A term is added to the loss in training, with a weight; it plays no part in the decision."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from torch import Tensor, nn

from docre.core.registry import Registry
from docre.tensors import Batch, ModelOutput

LossFunction = Callable[[ModelOutput, Tensor], Tensor]  # output and labels of pairs -> their mean loss, a scalar
TINY = 1e-30  # stands in for zero probabilities before their logarithm is taken (as in DREEAM's published code)


class Term(nn.Module, ABC):
    """A term of the training objective:

        objective = loss + sum_k weight_k * term_k

    A term is a mean over entity pairs. It returns the sum over the pairs of a batch, which the trainer divides by their
    number in the whole optimizer step, so that it does not depend on how the step is split into batches and processes.
    It never holds the model and never writes into its inputs. Its parameters are the arguments of its constructor.

    wants:     what the model's output has to have: "attention", names of auxiliaries.
    targets:   which of a teacher's targets it compares with (`Batch.targets`).
    over:      the pairs that it is a mean over: all "pairs", as the loss; those that are "labeled" with a relation; or
               those "with_evidence" for one.
    compares_pairs: whether it compares the pairs of a batch with each other: of a step that is split into parts, then
               only those in the same part.
    reference: the paper, and the equation if it has a number.
    """

    reference: ClassVar[str] = ""
    wants: ClassVar[frozenset[str]] = frozenset()
    targets: ClassVar[frozenset[str]] = frozenset()
    over: Literal["pairs", "labeled", "with_evidence"] = "pairs"
    compares_pairs: ClassVar[bool] = False

    def use_loss(self, loss: LossFunction) -> None:
        """Called once, before training, with the run's loss."""

    @abstractmethod
    def forward(self, output: ModelOutput, batch: Batch) -> Tensor:
        """The sum of the term over the pairs of a batch, a scalar, in float32 or better. It is 0 for a batch without
        such pairs. The batch has labels, and the output and the targets what the term asks for."""


TERMS: Registry[Term] = Registry("term", "docre.terms", Term)


def divergence(target: Tensor, predicted: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of each row: sum_l t_l (ln t_l - ln p_l), [rows, columns] -> [rows]. Zeros are
    replaced by 1e-30, so that they have no gradient; neither side needs to sum to one."""
    target, predicted = (x.masked_fill(x == 0, TINY) for x in (target, predicted))
    return (target * (target.log() - predicted.log())).sum(1)
