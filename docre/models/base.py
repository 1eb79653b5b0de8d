"""What every model is: an encoder's tokens and attention in, a ModelOutput for the pairs of the batch out."""

from typing import ClassVar

from torch import Tensor, nn

from docre.core.registry import Registry
from docre.models.encoder import Encoder
from docre.tensors import Batch, ModelOutput


class Model(nn.Module):
    """A DocRE model. It is built with its encoder, the number of outputs that the loss asks for, and its parameters.

    pairs_interact: whether the logits of a pair depend on which other pairs of its document are in the batch. Documents
                    that are too large for memory are taken in pieces where they do not.
    reference:      the paper.
    """

    reference: ClassVar[str] = ""
    pairs_interact: ClassVar[bool] = False
    encoder: Encoder

    def forward(self, batch: Batch) -> ModelOutput:
        """The logits [pairs, outputs] of a batch, with what losses may want beside them."""
        raise NotImplementedError

    def context_attention(self, batch: Batch) -> Tensor | None:
        """How much each context of the batch attends to each token of its document, [contexts, longest document], zero
        beyond the document; None from a model whose pairs attend to nothing."""
        return None


MODELS: Registry[Model] = Registry("model", "docre.models")
