"""What every model is: an encoder's tokens and attention in, a ModelOutput for the pairs of the batch out."""

from torch import nn

from docre.models.encoder import Encoder
from docre.registry import Registry
from docre.tensors import Batch, ModelOutput


class Model(nn.Module):
    """A DocRE model. It is built with its encoder, the number of outputs that the loss asks for, and its parameters."""

    encoder: Encoder

    def forward(self, batch: Batch) -> ModelOutput:
        """The logits [pairs, outputs] of a batch, with what losses may want beside them."""
        raise NotImplementedError


MODELS: Registry[Model] = Registry("model", "docre.models")
