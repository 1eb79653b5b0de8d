"""The Predictor: a model with everything that it needs to turn documents into predicted triples."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docre.analysis.calibration import Calibration
from docre.config.schema import Config
from docre.core.progress import progress_bar
from docre.data import oddities
from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features, Featurizer, Ints
from docre.data.limits import Limits, restrict_to_pairs, select_pairs
from docre.data.memory import enough_memory_for, name_documents
from docre.data.schema import LabelSchema
from docre.documents import Document
from docre.errors import DocreError, DocreWarning
from docre.inference.building import build_model
from docre.inference.methods import INFERENCES
from docre.inference.methods.base import Handle
from docre.inference.methods.decision import EVIDENCE_THRESHOLD
from docre.inference.scorer import PairScorer
from docre.losses import LOSSES
from docre.models import NOTHING
from docre.models.precision import autocast
from docre.tensors import Batch, ModelOutput, integers_on
from docre.text import TAGGERS, Tagger


class Predictor(PairScorer):
    """A model (in evaluation mode), its loss, featurizer and collator, built as a config describes.

    Several threads may predict with it at once, since prediction changes nothing in it. Changing it meanwhile (its
    config, `limits` or calibration, `to`, training) is not safe.

    config:    the config of the run, with the loss parameters computed from the training data.
    schema:    the relations.
    tokenizer: the encoder's tokenizer.
    backbone:  the Hugging Face encoder, with pretrained weights or with weights that are loaded later.

    calibration:    turns margins into probabilities; None if the model was trained without labeled dev documents.
    weights_digest: the SHA-256 of the weights file; None if the weights were not loaded from one.
    tagger_folder:  where the checkpoint has a copy of its tagger; None if it has none.
    """

    featurize: Featurizer

    def __init__(self, config: Config, schema: LabelSchema, tokenizer: Any, backbone: Any) -> None:
        self.config = config
        self.schema = schema
        self.tokenizer = tokenizer
        self.loss = LOSSES.build(config.loss.name, config.loss.parameters, len(schema.relations))
        self.inference = INFERENCES.build(config.inference.name, config.inference.parameters)
        self.model = build_model(config, backbone, self.loss.num_outputs, schema)
        self.precision: str = config.training.precision  # in training the one that all processes compute in
        self.calibration: Calibration | None = None
        self.weights_digest: str | None = None
        self.tagger_folder: Path | None = None
        self._tagger: Tagger | None = None
        max_tokens = config.evaluation.max_tokens or config.data.max_tokens
        self.featurize = Featurizer(tokenizer, schema, max_tokens, config.data.markers)
        encoder = self.model.encoder
        before, after = (tokenizer.cls_token_id,), (tokenizer.sep_token_id,) * encoder.window_end
        limits = config.evaluation
        self.limits = Limits(limits.max_pairs_per_batch, limits.max_tokens_per_batch, self.model.pairs_interact)
        self.collate = Collator(WindowPlan(encoder.max_length, before, after), len(schema.relations))
        self.model.eval()
        self.loss.eval()

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    @property
    def tagger(self) -> Tagger | None:
        """The tagger that the checkpoint has a copy of, read when it is asked for first; None if it has none."""
        if self._tagger is None and self.tagger_folder is not None and self.config.tagger is not None:
            entry: Any = TAGGERS[self.config.tagger.name]
            self._tagger = entry.read(self.tagger_folder)
        return self._tagger

    @tagger.setter
    def tagger(self, tagger: Tagger) -> None:
        self._tagger = tagger

    def use(self, calibration: Calibration) -> None:
        """Use a calibration for these relations: its shift of the margins, and its probabilities."""
        self.loss.margin_shift = self.loss.margin_shift.new_tensor(calibration.shift)
        self.calibration = calibration

    def forget_calibration(self) -> None:
        """Go back to the margins as the loss defines them, without probabilities."""
        self.loss.margin_shift = self.loss.margin_shift.new_zeros(())
        self.calibration = None

    def to(self, device: str | torch.device) -> "Predictor":
        """Move the model and the loss to a device, and return this predictor."""
        self.model.to(device)
        self.loss.to(device)
        return self

    def prepare(self, documents: Sequence[Document]) -> list[Features]:
        """The features of documents to predict. Warns (DocreWarning) if mentions are beyond the length limit."""
        features = self.featurize(documents)
        for line in oddities.truncated(features, self.featurize.max_tokens):
            warnings.warn(line, DocreWarning, stacklevel=3)
        return features

    @torch.inference_mode()
    def score(self, features: Sequence[Features], handle: Handle, task: str, progress: bool = False) -> None:
        """Call `handle` with the scores of all candidate pairs, as the config's inference computes them. Raises
        DocreError if it has not been fitted, and as `run_model` does."""
        self.inference.check(self)
        self.inference.score(self, features, handle, task, progress)

    def apart(self, features: Features) -> NDArray[np.bool_]:
        return self.inference.apart(self, features)

    def fit_inference(self, features: Sequence[Features], progress: bool = False) -> None:
        """Fit the config's inference on labeled documents (dev): what it finds is saved with the checkpoint. Raises
        DocreError if it cannot be fitted on them."""
        self.inference.check(self, fitted=False)
        with torch.inference_mode():
            self.inference.fitted = self.inference.fit(self, features, progress)

    @property
    def training_limits(self) -> Limits:
        """The limits on what is computed at once in training."""
        training = self.config.training
        return Limits(training.max_pairs_per_batch, training.max_tokens_per_batch, self.model.pairs_interact)

    def counts(self, documents: Sequence[Features]) -> dict[str, int]:
        """The numbers of "pairs" of documents that the loss is a mean over (`Model.loss_rows`), of "labeled" ones, and
        of those "with_evidence"."""
        pairs, entities = sum(len(d.pairs) for d in documents), sum(d.num_entities for d in documents)
        return {
            "pairs": self.model.loss_rows(pairs, entities),
            "labeled": sum(d.num_labeled for d in documents),
            "with_evidence": sum(d.num_with_evidence for d in documents),
        }

    @property
    def predicts_evidence(self) -> bool:
        """Whether predictions have evidence sentences."""
        return self.config.evaluation.evidence_threshold is not None and "attention" in self.model.offers

    def with_evidence(self) -> "Predictor":
        evaluation = self.config.evaluation
        if evaluation.evidence_threshold is not None or "attention" not in self.model.offers:
            return self
        same = copy(self)
        evaluation = evaluation.model_copy(update={"evidence_threshold": EVIDENCE_THRESHOLD})
        same.config = self.config.model_copy(update={"evaluation": evaluation})
        return same

    @property
    def top_k(self) -> int:
        return super().top_k if self.inference.applies_top_k else -1

    @torch.inference_mode()
    def run_model(
        self,
        features: Sequence[Features],
        handle: Callable[[Ints, Ints, ModelOutput, Batch], None],
        task: str,
        wanted: frozenset[str] = NOTHING,
        progress: bool = False,
    ) -> None:
        """Run the model on all candidate pairs in batches within the limits, and call `handle` with each output.

        Documents of similar length are batched together, or those that follow each other (`evaluation.order`). The
        pairs of a document arrive in order, unless the limits split the document.

        handle: called as handle(document, pair, output, batch) with the position of the document in `features` and of
                the pair in the document, both [pairs], and the model's output and the batch, on the model's device.
        task:   the name of the progress bar, which counts pairs.
        wanted: what the output shall have beside the logits (see `Model.forward`).

        Raises DocreError that names the documents if memory runs out, or if logits are not finite.
        """
        with progress_bar(sum(len(f.pairs) for f in features), task, "pair", unit_scale=True, show=progress) as bar:
            for batch, document, pair in self.batches(features):
                with enough_memory_for(batch, "evaluation"):
                    batch = batch.to(self.device, non_blocking=True)
                    output = self.output(batch, wanted)
                    check_finite(output.logits, batch)
                    handle(document, pair, output, batch)
                bar.update(len(pair))

    def batches(self, features: Sequence[Features]) -> Iterator[tuple[Batch, Ints, Ints]]:
        """All batches, each with the `document` and `pair` arrays that `run_model` passes to `handle`."""
        order = list(range(len(features)))
        if self.config.evaluation.order == "length":
            order.sort(key=lambda i: len(features[i].input_ids))
        whole = [i for i in order if not self.limits.must_split(features[i])]
        size = self.config.evaluation.batch_size
        for start in range(0, len(whole), size):
            chunk = whole[start : start + size]
            remaining = iter(chunk)
            for part in self.limits.split_batch([features[i] for i in chunk]):
                counts = [len(f.pairs) for f in part]
                numbers = np.repeat(list(islice(remaining, len(part))), counts)
                yield self._collate(part), numbers, np.concatenate([np.arange(count) for count in counts])
        for i in order:
            if self.limits.must_split(features[i]):
                for batch, pair in self._tiled_batches(features[i]):
                    yield batch, np.full(len(pair), i), pair

    def _tiled_batches(self, document: Features) -> Iterator[tuple[Batch, Ints]]:
        """The batches of a document with too many pairs, one per tile of pairs; the encoder runs only once."""
        whole = self._collate([select_pairs(document, 0, 0)])
        with enough_memory_for(whole, "evaluation"):
            hidden, rows = self._encode(whole)
        for pair in self.limits.tile_pairs(document):
            restricted, mentions = restrict_to_pairs(document, pair)
            kept = integers_on(rows.device, np.flatnonzero(np.isin(whole.row_mention.numpy(), mentions)))
            yield replace(self._collate([restricted]), encoded=(hidden, rows.index_select(0, kept))), pair

    def _collate(self, documents: Sequence[Features]) -> Batch:
        batch = self.collate(documents)
        return batch.pin_memory() if self.device.type == "cuda" else batch

    @torch.inference_mode()
    def output(self, batch: Batch, wanted: frozenset[str] = NOTHING) -> ModelOutput:
        """The model's output, computed in the config's precision. The batch may be on any device."""
        with self._autocast():
            batch = batch.to(self.device, non_blocking=True)
            output: ModelOutput = self.model(batch, wanted) if wanted else self.model(batch)
            return output

    @torch.inference_mode()
    def context_attention(self, batch: Batch) -> Tensor | None:
        """The output of `Model.context_attention`, in the config's precision. The batch may be on any device."""
        with self._autocast():
            return self.model.context_attention(batch.to(self.device, non_blocking=True))

    @torch.inference_mode()
    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The output of `Encoder.encode_windows`, in the config's precision. The batch may be on any device."""
        with self._autocast():
            return self.model.encoder.encode_windows(batch.to(self.device, non_blocking=True))

    def _autocast(self) -> torch.autocast:
        return autocast(self.precision, self.device)

    def decide(self, logits: Tensor) -> Tensor:
        """The predicted relations, [pairs, outputs] -> bool [pairs, R], at most `evaluation.top_k` per pair."""
        return self.loss.decide(logits, self.config.evaluation.top_k)


def check_finite(logits: Tensor, batch: Batch) -> None:
    """Raises DocreError that names the document if logits [pairs, outputs] are not finite. Their margins are not
    positive, so that the model would silently predict nothing."""
    finite = logits.isfinite()
    if not finite.all():
        (pair,) = (~finite.all(1)).nonzero()[0].tolist()
        document = int(np.searchsorted(np.cumsum(batch.pair_counts), pair, side="right"))
        raise DocreError(f"{name_documents([batch.titles[document]])}: the model's logits are not finite")
