"""What the loss decides of a model's output: the scores, margins, relations and evidence of the pairs of a batch."""

from typing import TYPE_CHECKING

from torch import Tensor

from docre.inference.methods.base import PairScores
from docre.tensors import Batch, ModelOutput
from docre.terms.evidence import sum_by_sentence

if TYPE_CHECKING:
    from docre.inference.predictor import Predictor

EVIDENCE_THRESHOLD = 0.2  # of Ma et al. 2023 (DREEAM), section 4.1


def decided(predictor: "Predictor", output: ModelOutput, batch: Batch) -> PairScores:
    """What the loss says of the model's output for a batch."""
    loss, logits = predictor.loss, output.logits
    scores, margins = loss.scores(logits.float()), loss.margins(logits)
    evidence = predicted_evidence(output, batch, predictor.config.evaluation.evidence_threshold)
    return PairScores(scores, margins, predictor.decide(logits), evidence)


def predicted_evidence(output: ModelOutput, batch: Batch, threshold: float | None) -> Tensor | None:
    """The evidence sentences of each pair, bool [pairs, most sentences]: those that have more than `threshold` of the
    pair's attention (Ma et al. 2023, section 3.2). None without attention or threshold."""
    if output.attention is None or threshold is None:
        return None
    by_sentence = sum_by_sentence(output.attention.float(), batch)
    return (by_sentence > threshold).index_select(0, batch.pair_context)


def wanted(predictor: "Predictor") -> frozenset[str]:
    """What the model's output has to have beside the logits for `decided`."""
    return frozenset({"attention"}) if predictor.predicts_evidence else frozenset()
