"""The loss of generated pairs, as in VaeDiff-DocRE."""

from torch import Tensor

from docre.tensors import Batch, ModelOutput
from docre.terms.base import TERMS, LossFunction, Term


@TERMS.register("augmented")
class AugmentedTerm(Term):
    """The run's own loss of the pairs that the model generates, a mean over these:

        L = (1 / m) sum_i loss(W_c f'_i + b_c, y_i)

    The model `vaediff` generates two for each pair with a relation, with the same relations.

    Parameters: none. Published weight: 1, from epoch 6 on.
    Reference: Tran et al. 2025 (COLING), VaeDiff-DocRE.
    """

    reference = "Tran et al. 2025 (COLING), VaeDiff-DocRE"
    wants = frozenset({"augmented_logits", "augmented_labels", "augmented_representation"})
    over = "labeled"
    loss: LossFunction

    def use_loss(self, loss: LossFunction) -> None:
        self.loss = loss

    def forward(self, output: ModelOutput, batch: Batch) -> Tensor:
        assert batch.labels is not None
        features = output.auxiliaries["augmented_representation"][:, None]
        sides = features, features.new_ones(len(features), 1, 1)  # a representation as a product of two sides
        generated = ModelOutput(output.auxiliaries["augmented_logits"], *sides)
        return self.loss(generated, output.auxiliaries["augmented_labels"]) * batch.labels.any(1).sum()
