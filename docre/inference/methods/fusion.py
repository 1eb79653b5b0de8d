"""DREEAM's inference-stage fusion: scores of the whole document, blended with those of its evidence sentences alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docre.core.progress import progress_bar
from docre.data.features import Features, Ints
from docre.errors import DocreError
from docre.inference.methods.base import INFERENCES, Handle, Inference, PairScores
from docre.inference.methods.decision import predicted_evidence
from docre.inference.methods.excerpt import Bools, Excerpt, evidence_excerpts
from docre.losses import Loss
from docre.losses.base import ThresholdClassDecision
from docre.tensors import Batch, ModelOutput

if TYPE_CHECKING:
    from docre.inference.predictor import Predictor

Floats = NDArray[np.float32]
PLACES = 4  # how many of a pair's columns are scored: the highest
ONE_READING = 10.0  # taken from the score of a triple that only one of the two readings scores
GROUP = 64  # documents whose scores are in memory at once


class Reading(NamedTuple):
    """What the model says of the pairs of one document.

    scores:   [pairs, R], see `place_scores`.
    evidence: bool [pairs, sentences] the predicted evidence.
    own_scores, own_margins: [pairs, R] the loss's own; margins without the shift of a calibration, which is added to
                             those of both readings together.
    """

    scores: Floats
    evidence: Bools
    own_scores: Floats
    own_margins: Floats


class Blend(NamedTuple):
    """Both readings of one document together.

    whole:  the reading of the whole document.
    scores: [pairs, R] the blended scores, NaN for triples that no reading scores.
    both:   bool [pairs, R] the triples that both readings predict.
    """

    whole: Reading
    scores: Floats
    both: Bools


@INFERENCES.register("fusion")
class Fusion(Inference):
    """Reads each document whole, and its predicted evidence alone; a triple is predicted if both readings predict it,
    or if the sum of its two scores is above a threshold tau that is fitted on dev.

    The score of a relation is its margin d_r, for the relations among the four highest columns of a pair. An excerpt is
    made of the predicted evidence of each pair, with the first sentence that mentions the head, and the tail, where the
    evidence does not. Of several excerpts that score a triple the highest score counts; a triple that only one reading
    scores has that score minus 10. tau is the score at which F1 on dev is highest.

    Parameters (the published behavior is the default):
    predicted_only: make excerpts only of the evidence of predicted relations, as the paper says; by default also of
                    relations that are not predicted and of TH, which takes more time.
    true_margins:   score a relation by its margin also where TH is not among the pair's four highest columns; by
                    default the lowest of these less 1 stands for TH there.

    It needs a model with context attention, and `evaluation.evidence_threshold`. `evaluation.top_k` does not apply.
    Reference: Ma et al. 2023 (EACL), DREEAM, section 3.4; Xie et al. 2022 (Findings of ACL), EIDER.
    """

    reference = "Ma et al. 2023 (EACL), DREEAM, section 3.4"
    needs_fit = True
    applies_top_k = False

    def __init__(self, predicted_only: bool = False, true_margins: bool = False) -> None:
        super().__init__()
        self.predicted_only = predicted_only
        self.true_margins = true_margins

    def check(self, predictor: "Predictor", fitted: bool = True) -> None:
        super().check(predictor, fitted)
        if not predictor.predicts_evidence:
            raise DocreError(
                "inference 'fusion' needs predicted evidence: a model with context attention (dreeam, atlop) and "
                "evaluation.evidence_threshold (published: 0.2)"
            )

    def score(
        self, predictor: "Predictor", features: Sequence[Features], handle: Handle, task: str, progress: bool = False
    ) -> None:
        tau, shift = self.fitted["threshold"], predictor.loss.margin_shift.cpu().numpy()
        for i, (whole, scores, both) in enumerate(self._blend(predictor, features, task, progress)):
            never = np.minimum(whole.own_margins - ONE_READING - max(tau, 0), -ONE_READING)
            margins = np.where(np.isnan(scores), never, scores - np.where(both, min(tau, 0), tau)) + shift
            found = (whole.own_scores, margins.astype(np.float32), margins > 0, whole.evidence)
            count = len(scores)
            handle(np.full(count, i), np.arange(count), PairScores(*(torch.from_numpy(x) for x in found)))

    def fit(self, predictor: "Predictor", features: Sequence[Features], progress: bool = False) -> Mapping[str, float]:
        """tau, "threshold": the score of the last candidate in the prefix with the highest F1, when the candidates are
        sorted by score. What both readings predict counts as predicted whatever tau is."""
        scores, correct = [], []
        accepted = accepted_correct = gold = 0
        for document, blend in zip(features, self._blend(predictor, features, "fit", progress), strict=True):
            labels = np.zeros(blend.scores.shape, dtype=bool)
            if document.labels is not None:
                labels[document.labels[:, 0], document.labels[:, 1]] = True
            gold += int(labels.sum())
            accepted += int(blend.both.sum())
            accepted_correct += int((blend.both & labels).sum())
            candidates = ~blend.both & ~np.isnan(blend.scores)
            scores.append(blend.scores[candidates])
            correct.append(labels[candidates])
        if not gold:
            raise DocreError("fusion is fitted on labeled documents, and these have no labels")
        order = np.argsort(-np.concatenate(scores), kind="stable")
        hits = accepted_correct + np.cumsum(np.concatenate(correct)[order])
        f1 = 2 * hits / (accepted + np.arange(1, len(order) + 1) + gold)
        return {"threshold": float(np.concatenate(scores)[order[f1.argmax()]]) if len(order) else 0.0}

    def _blend(
        self, predictor: "Predictor", features: Sequence[Features], task: str, progress: bool
    ) -> Iterator[Blend]:
        """Both readings of each document, in order."""
        with progress_bar(len(features), task, "document", show=progress) as bar:
            for start in range(0, len(features), GROUP):
                group = features[start : start + GROUP]
                readings = self._read(predictor, group)
                alone = self._read_excerpts(predictor, group, readings)
                for whole, other in zip(readings, alone, strict=True):
                    one = np.fmax(whole.scores, other) - ONE_READING  # fmax: the one that is not NaN
                    either = np.isnan(whole.scores) | np.isnan(other)
                    scores = np.where(either, one, whole.scores + other)
                    yield Blend(whole, scores, (whole.scores > 0) & (other > 0))
                bar.update(len(group))

    def _read(self, predictor: "Predictor", features: Sequence[Features]) -> list[Reading]:
        """The readings of whole documents."""
        relations = len(predictor.schema.relations)
        readings = [
            Reading(
                np.empty((len(f.pairs), relations), dtype=np.float32),
                np.zeros((len(f.pairs), f.num_sentences), dtype=bool),
                *(np.empty((len(f.pairs), relations), dtype=np.float32) for _ in range(2)),
            )
            for f in features
        ]

        def keep(document: Ints, pair: Ints, output: ModelOutput, batch: Batch) -> None:
            evidence = predicted_evidence(output, batch, predictor.config.evaluation.evidence_threshold)
            assert evidence is not None
            loss, logits = predictor.loss, output.logits.float()
            places = place_scores(loss, logits, self.true_margins)
            columns = [x.cpu().numpy() for x in (places, evidence, loss.scores(logits), loss.unshifted_margins(logits))]
            for i in np.unique(document):
                rows = document == i
                for kept, column in zip(readings[i], columns, strict=True):
                    kept[pair[rows]] = column[rows][:, : kept.shape[1]]

        predictor.run_model(features, keep, "fusion", frozenset({"attention"}))
        return readings

    def _read_excerpts(
        self, predictor: "Predictor", features: Sequence[Features], readings: Sequence[Reading]
    ) -> list[Floats]:
        """For each document the highest score of each triple in its excerpts, [pairs, R], NaN where none scores it."""
        highest = [np.full_like(reading.scores, np.nan) for reading in readings]
        parts: list[tuple[int, Excerpt]] = []
        for i, (document, reading) in enumerate(zip(features, readings, strict=True)):
            evidence = reading.evidence
            if self.predicted_only:
                evidence = evidence & (reading.scores > 0).any(axis=1, keepdims=True)
            parts += [(i, excerpt) for excerpt in evidence_excerpts(document, evidence)]

        def keep(document: Ints, pair: Ints, output: ModelOutput, batch: Batch) -> None:
            scores = place_scores(predictor.loss, output.logits.float(), self.true_margins).cpu().numpy()
            for j in np.unique(document):
                i, excerpt = parts[j]
                rows = document == j
                of_document = excerpt.pair[pair[rows]]
                highest[i][of_document] = np.fmax(highest[i][of_document], scores[rows])

        predictor.run_model([excerpt.features for _, excerpt in parts], keep, "fusion")
        return highest


def place_scores(loss: Loss, logits: Tensor, true_margins: bool) -> Tensor:
    """The scores of the relations among the PLACES highest columns of each pair, NaN for the others: logits [pairs,
    outputs] -> [pairs, R].

    The score is the margin without a shift. Where TH is not among these columns, the lowest of them less 1 stands for
    TH, unless `true_margins`. For a loss without a threshold class the columns are the relations.
    """
    margins, scores = loss.unshifted_margins(logits), loss.scores(logits)
    if not isinstance(loss, ThresholdClassDecision):
        best = scores.topk(min(PLACES, scores.shape[1]), dim=1).indices
        listed = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, best, True)
        return margins.masked_fill(~listed, torch.nan)
    top = logits.topk(min(PLACES, logits.shape[1]), dim=1)
    listed = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, top.indices, True)
    if not true_margins:
        lowest = scores - (top.values[:, -1:] - 1)
        margins = torch.where(listed[:, :1], margins, lowest)
    return margins.masked_fill(~listed[:, 1:], torch.nan)
