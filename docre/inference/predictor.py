"""A model ready for use: documents in, triples out, and the checkpoint folder that holds it."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from docre.config.schema import Config
from docre.core.progress import progress_bar
from docre.data import oddities
from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features, Featurizer, Ints
from docre.data.given import Given, documents_of
from docre.data.limits import Limits, restrict, select_pairs
from docre.data.memory import enough_memory_for, named
from docre.data.schema import LabelSchema
from docre.documents import Document, Prediction
from docre.errors import DocreError, DocreWarning
from docre.losses import LOSSES
from docre.models import MODELS, Encoder, Model
from docre.tensors import Batch


class Predictor:
    """The pieces that turn documents into triples, built as a config says, with the model in evaluation mode.

    Any number of threads may predict with one at once: nothing here changes while it predicts. What does change it (its
    config, `limits` or calibration, `to`, training) must not happen meanwhile.

    config:    the resolved config of the run (with the loss parameters that were taken from the training data).
    schema:    the relations.
    tokenizer: the encoder's.
    backbone:  the encoder model itself, pretrained or about to be loaded.

    weights_digest: the SHA-256 of the file that the weights come from; None where they come from none.
    """

    def __init__(self, config: Config, schema: LabelSchema, tokenizer: Any, backbone: Any) -> None:
        self.config = config
        self.schema = schema
        self.tokenizer = tokenizer
        self.loss = LOSSES.build(config.loss.name, config.loss.parameters, len(schema.relations))
        self.model = build_model(config, backbone, self.loss.num_outputs)
        self.weights_digest: str | None = None
        self.featurize = Featurizer(tokenizer, schema, config.evaluation.max_tokens or config.data.max_tokens)
        encoder = self.model.encoder
        before, after = (tokenizer.cls_token_id,), (tokenizer.sep_token_id,) * encoder.window_end
        limits = config.evaluation
        self.limits = Limits(limits.max_pairs_per_batch, limits.max_tokens_per_batch, self.model.pairs_interact)
        self.collate = Collator(WindowPlan(encoder.max_length, before, after), len(schema.relations))
        self.model.eval()
        self.loss.eval()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def to(self, device: str | torch.device) -> "Predictor":
        """Move the model to a device, and return this predictor."""
        self.model.to(device)
        self.loss.to(device)
        return self

    def predict(self, documents: Given, progress: bool = False) -> list[list[Prediction]]:
        """The predicted triples of each document, in order: always one list for each document, however it is given.

        documents: a Document, a dict as docre's DocRED or jsonl reader takes it (labels are not looked at), a list of
        these, or the path of a file in the format of the training data. Raises DocreError for anything else, and a
        DocreWarning where the length limit cuts mentions off.
        """
        taken = documents_of(documents, self.config.data.reader)
        found = self.predict_features(self.prepare(taken), progress)
        return [[self._named(p, document) for p in some] for document, some in zip(taken, found, strict=True)]

    def prepare(self, documents: Sequence[Document]) -> list[Features]:
        """The features of documents to predict, with a DocreWarning where the length limit cuts mentions off."""
        features = self.featurize(documents)
        for line in oddities.unread(features, self.featurize.max_tokens):
            warnings.warn(line, DocreWarning, stacklevel=3)
        return features

    def predict_features(self, features: Sequence[Features], progress: bool = False) -> list[list[Prediction]]:
        """`predict` for documents that are already featurized; the predictions lack names and types."""
        parts: list[tuple[Ints, Ints, Ints, list[float], list[float]]] = []

        def read(document: Ints, pair: Ints, logits: Tensor) -> None:
            where = self.decide(logits).nonzero(as_tuple=True)
            row, relation = (x.cpu().numpy() for x in where)
            scores, margins = self.loss.scores(logits.float())[where], self.loss.margins(logits)[where]
            parts.append((document[row], pair[row], relation, scores.tolist(), margins.tolist()))

        self.run(features, read, "predict", progress)
        rows = sorted((row for part in parts for row in zip(*part, strict=True)), key=lambda row: row[:2])
        found: list[list[Prediction]] = [[] for _ in features]
        for i, p, r, score, margin in rows:
            head, tail = features[i].pairs[p].tolist()
            found[i].append(Prediction(features[i].title, head, tail, self.schema.relations[r], score, margin))
        return found

    @torch.inference_mode()
    def run(
        self,
        features: Sequence[Features],
        read: Callable[[Ints, Ints, Tensor], None],
        what: str,
        progress: bool = False,
    ) -> None:
        """Give the logits of documents to `read`, batch by batch within the config's limits, documents of like length
        together.

        read: takes logits [pairs, outputs], on the model's device, and for each of their rows the number of the
        document and that of the pair in it, both [pairs]. The pairs of a document come in order, unless the limits cut
        it. what: the name of the bar, which counts pairs.
        Raises DocreError, naming the documents, where memory does not suffice for them.
        """
        with progress_bar(sum(len(f.pairs) for f in features), what, "pair", unit_scale=True, show=progress) as bar:
            for batch, document, pair in self._batches(features):
                with enough_memory_for(batch, "evaluation"):
                    logits = self.logits(batch)
                    check_finite(logits, batch)
                    read(document, pair, logits)
                bar.update(len(pair))

    def _batches(self, features: Sequence[Features]) -> Iterator[tuple[Batch, Ints, Ints]]:
        """Batches, and the document and the pair of each of their pairs, as `run` gives them to `read`."""
        order = sorted(range(len(features)), key=lambda i: len(features[i].input_ids))
        whole = [i for i in order if not self.limits.cut(features[i])]
        size = self.config.evaluation.batch_size
        for start in range(0, len(whole), size):
            chunk = whole[start : start + size]
            left = iter(chunk)
            for part in self.limits.parts([features[i] for i in chunk]):
                counts = [len(f.pairs) for f in part]
                numbers = np.repeat(list(islice(left, len(part))), counts)
                yield self._collate(part), numbers, np.concatenate([np.arange(count) for count in counts])
        for i in order:
            if self.limits.cut(features[i]):
                for batch, pair in self._tiles(features[i]):
                    yield batch, np.full(len(pair), i), pair

    def _tiles(self, document: Features) -> Iterator[tuple[Batch, Ints]]:
        """A document with too many pairs in tiles of pairs; the encoder reads it once."""
        whole = self._collate([select_pairs(document, 0, 0)])
        with enough_memory_for(whole, "evaluation"):
            hidden, rows = self._encode(whole)
        for pair in self.limits.tiles(document):
            some, mentions = restrict(document, pair)
            kept = torch.from_numpy(np.isin(whole.row_mention.numpy(), mentions))
            yield replace(self._collate([some]), encoded=(hidden, rows[kept.to(rows.device)])), pair

    def _collate(self, documents: Sequence[Features]) -> Batch:
        batch = self.collate(documents)
        return batch.pin_memory() if self.device.type == "cuda" else batch

    @torch.inference_mode()
    def logits(self, batch: Batch) -> Tensor:
        """The model's logits [pairs, outputs] in the config's precision; the batch may be on any device."""
        with self._autocast():
            return self.model(batch.to(self.device, non_blocking=True)).logits

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """`Encoder.encode_windows` likewise."""
        with self._autocast():
            return self.model.encoder.encode_windows(batch.to(self.device, non_blocking=True))

    def _autocast(self) -> torch.autocast:
        device = self.device.type
        precision = resolve_precision(self.config.training.precision, device)
        return torch.autocast(device, AUTOCAST.get(precision), enabled=precision in AUTOCAST)

    def decide(self, logits: Tensor) -> Tensor:
        """The predicted relations, [pairs, outputs] -> bool [pairs, R], as the config says."""
        return self.loss.decide(logits, self.config.evaluation.top_k)

    def _named(self, prediction: Prediction, document: Document) -> Prediction:
        """The prediction with names and types."""
        head, tail = document.entities[prediction.head], document.entities[prediction.tail]
        relation = self.schema.name(prediction.relation)
        return replace(
            prediction,
            head_name=head.name,
            head_type=head.type,
            tail_name=tail.name,
            tail_type=tail.type,
            relation_name=relation,
        )


def build_model(config: Config, backbone: Any, num_outputs: int) -> Model:
    """The model that a config describes, around an encoder model, with so many outputs for a pair."""
    encoder = Encoder(backbone, config.encoder.averaged_layers, config.encoder.implementation)
    return MODELS.build(config.model.name, config.model.parameters, encoder, num_outputs)


def check_finite(logits: Tensor, batch: Batch) -> None:
    """Raises DocreError, naming the document, for logits [pairs, outputs] that are not finite: no margin of theirs is
    positive, so they would silently predict nothing."""
    finite = logits.isfinite()
    if not finite.all():
        (pair,) = (~finite.all(1)).nonzero()[0].tolist()
        document = int(np.searchsorted(np.cumsum(batch.pair_counts), pair, side="right"))
        raise DocreError(f"{named([batch.titles[document]])}: the model's logits are not finite")


AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(precision: str, device: torch.device | str) -> str:
    """What a device computes in: for `auto` bf16 (fp16 where it lacks that) on CUDA, fp32 elsewhere; fp32 for fp16 on a
    CPU, which has no such arithmetic."""
    on_cuda = torch.device(device).type == "cuda"
    if not on_cuda:
        return "bf16" if precision == "bf16" else "fp32"
    if precision != "auto":
        return precision
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def default_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
