"""What every model is: an encoder's tokens and attention in, a ModelOutput for the pairs of the batch out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from docre.core.registry import Registry
from docre.models.encoder import Encoder
from docre.tensors import Batch, ModelOutput

NOTHING: frozenset[str] = frozenset()


class Model(nn.Module, ABC):
    """A DocRE model. It is built with its encoder, the number of outputs that the loss asks for, and its parameters.

    wants_relation_names: whether its constructor takes a third argument, the readable names of the relations in the
                    order of the label columns, before its parameters.
    pairs_interact: whether the logits of a pair depend on which other pairs are in the batch. Documents that are too
                    large for memory are taken in pieces where they do not.
    offers:         what its output can have beside the logits, if it is wanted: "attention" (from which evidence
                    sentences are predicted), and names of auxiliaries.
    rate_groups:    parameters that have a learning rate of their own: for the name of each group, prefixes of the names
                    of its parameters. The config gives the rates (`training.group_lr`).
    published_names: how the published code calls this model's weights: regular expressions for its names, and what they
                    are here; "" for weights without effect. Names that none matches are the same. (The encoder's are
                    translated for every model.)
    reference:      the paper.
    """

    reference: ClassVar[str] = ""
    wants_relation_names: ClassVar[bool] = False
    pairs_interact: bool = False
    offers: frozenset[str] = NOTHING
    rate_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    published_names: ClassVar[Mapping[str, str]] = {}
    encoder: Encoder

    @abstractmethod
    def forward(self, batch: Batch, wanted: frozenset[str] = NOTHING) -> ModelOutput:
        """The logits [pairs, outputs] of a batch, with what losses may want beside them.

        wanted: what else the output shall have: "attention", and names of auxiliaries. Names that the model does not
                know are ignored; what is not wanted is not computed.
        """

    def context_attention(self, batch: Batch) -> Tensor | None:
        """How much each context of the batch attends to each token of its document, [contexts, longest document], zero
        beyond the document; None from a model whose pairs attend to nothing."""
        return self(batch, frozenset({"attention"})).attention

    def loss_rows(self, pairs: int, entities: int) -> int:
        """The number of rows that the loss of a batch with so many pairs and entities is a mean over. Rows beyond the
        pairs have all-zero logits and no label: KD-DocRE counts the pair of each entity with itself."""
        return pairs


MODELS: Registry[Model] = Registry("model", "docre.models", Model)


def leading_parameters(name: str) -> int:
    """The number of parameters of a model's constructor that docre passes, and a config does not."""
    return 3 if getattr(MODELS[name], "wants_relation_names", False) else 2
