"""Plain inference: the loss's own decision on the logits of each pair."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from docre.data.features import Features, Ints
from docre.inference.methods.base import INFERENCES, Handle, Inference, PairScores
from docre.inference.methods.decision import decided, wanted
from docre.inference.methods.parts import Parts
from docre.tensors import Batch, ModelOutput

if TYPE_CHECKING:
    from docre.inference.predictor import Predictor


@INFERENCES.register("plain")
class Plain(Inference):
    """The model reads each whole document once, and the loss decides.

    It decides as `Loss.decide` says, for at most `evaluation.top_k` relations of a pair. Parameters: none.

    Plain texts are not cut off at the length limit (`evaluation.max_tokens`, by default `data.max_tokens`) as documents
    are: those that are longer are read in parts of that length (see `parts`).
    """

    def score(
        self, predictor: "Predictor", features: Sequence[Features], handle: Handle, task: str, progress: bool = False
    ) -> None:
        def decide(document: Ints, pair: Ints, output: ModelOutput, batch: Batch) -> None:
            handle(within[document], pair, decided(predictor, output, batch))

        def hand_on(document: Ints, pair: Ints, found: PairScores) -> None:
            handle(beyond[document], pair, found)

        limit = predictor.featurize.max_tokens
        longer = np.array([len(f.input_ids) > limit for f in features], dtype=bool)
        within, beyond = np.flatnonzero(~longer), np.flatnonzero(longer)
        predictor.run_model([features[i] for i in within.tolist()], decide, task, wanted(predictor), progress)
        if len(beyond):
            Parts(limit).score(predictor, [features[i] for i in beyond.tolist()], hand_on, task, progress)

    def apart(self, predictor: "Predictor", document: Features) -> NDArray[np.bool_]:
        limit = predictor.featurize.max_tokens
        if len(document.input_ids) > limit:
            return Parts(limit).apart(predictor, document)
        return super().apart(predictor, document)
