"""Plain inference: the loss's own decision on the logits of each pair."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from docre.data.features import Features, Ints
from docre.inference.methods.base import INFERENCES, Handle, Inference, PairScores
from docre.tensors import Batch, ModelOutput
from docre.terms.evidence import sum_by_sentence

if TYPE_CHECKING:
    from docre.inference.predictor import Predictor


@INFERENCES.register("plain")
class Plain(Inference):
    """The model reads each whole document once; the loss decides (`Loss.decide`), with at most `evaluation.top_k`
    relations for a pair. Parameters: none."""

    def score(
        self, predictor: "Predictor", features: Sequence[Features], handle: Handle, task: str, progress: bool = False
    ) -> None:
        def decide(document: Ints, pair: Ints, output: ModelOutput, batch: Batch) -> None:
            loss, logits = predictor.loss, output.logits
            scores, margins = loss.scores(logits.float()), loss.margins(logits)
            evidence = predicted_evidence(output, batch, predictor.config.evaluation.evidence_threshold)
            handle(document, pair, PairScores(scores, margins, predictor.decide(logits), evidence))

        wanted = frozenset({"attention"}) if predictor.predicts_evidence else frozenset()
        predictor.run_model(features, decide, task, wanted, progress)


def predicted_evidence(output: ModelOutput, batch: Batch, threshold: float | None) -> Tensor | None:
    """The evidence sentences of each pair, bool [pairs, most sentences]: those that have more than `threshold` of the
    pair's attention (Ma et al. 2023, section 3.2). None without attention or threshold."""
    if output.attention is None or threshold is None:
        return None
    by_sentence = sum_by_sentence(output.attention.float(), batch)
    return (by_sentence > threshold).index_select(0, batch.pair_context)
