"""The base class of inferences: how a trained model turns documents into the margins of entity pairs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from docre.core.registry import Registry
from docre.data.features import Features, Ints
from docre.errors import DocreError

if TYPE_CHECKING:
    from docre.inference.predictor import Predictor


@dataclass(frozen=True)
class PairScores:
    """What an inference says of entity pairs.

    scores:    [pairs, R] the scores s_r, float32 or better.
    margins:   [pairs, R] the margins d_r: the larger, the likelier; comparable between pairs.
    predicted: [pairs, R] bool, True where the relation is predicted.
    evidence:  [pairs, sentences] bool, True for the sentences that are predicted as evidence of the pair; None if no
               evidence is asked for, or the model has no attention to predict it from.
    """

    scores: Tensor
    margins: Tensor
    predicted: Tensor
    evidence: Tensor | None = None


# called with the document of each pair, the pair's position in its document (both [pairs]), and the pairs' scores
Handle = Callable[[Ints, Ints, PairScores], None]


class Inference(ABC):
    """Turns documents into the scores of their pairs with a predictor's model, loss and config.

    Its parameters are the arguments of its constructor. What it fits on dev is saved with the checkpoint.

    needs_fit:     whether it has to be fitted on labeled documents before it can be used.
    applies_top_k: whether at most `evaluation.top_k` relations of a pair are predicted.
    fitted:        what it has fitted, numbers by name; empty before.
    reference:     the paper.
    """

    reference: ClassVar[str] = ""
    needs_fit: ClassVar[bool] = False
    applies_top_k: ClassVar[bool] = True

    def __init__(self) -> None:
        self.fitted: Mapping[str, float] = {}

    @abstractmethod
    def score(
        self, predictor: "Predictor", features: Sequence[Features], handle: Handle, task: str, progress: bool = False
    ) -> None:
        """Call `handle` with the scores of all candidate pairs of the documents, some pairs at a time, each pair once.
        `task` is the name of the progress bar."""

    def fit(self, predictor: "Predictor", features: Sequence[Features], progress: bool = False) -> Mapping[str, float]:
        """What the inference has to know, found on labeled documents; it becomes `fitted`."""
        return {}

    def apart(self, predictor: "Predictor", document: Features) -> NDArray[np.bool_]:
        """Which pairs of a document `score` gives no score, since what the model reads at once never mentions both
        entities, though each is mentioned; bool [pairs]."""
        return np.zeros(len(document.pairs), dtype=bool)

    def check(self, predictor: "Predictor", fitted: bool = True) -> None:
        """Raises DocreError if the predictor's model or config lacks something that the inference needs, or, if it has
        to be `fitted`, if it is not."""
        if fitted and self.needs_fit and not self.fitted:
            raise DocreError(
                "the inference has to be fitted first: docre fit --checkpoint DIR --data DEV, or inference.name=plain"
            )


INFERENCES: Registry[Inference] = Registry("inference", "docre.inference.methods", Inference)
