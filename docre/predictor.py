"""A model ready for use: documents in, triples out, and the checkpoint folder that holds it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from docre.config import Config
from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features, Featuriser
from docre.data.limits import Limits
from docre.data.schema import LabelSchema
from docre.documents import Document, Prediction
from docre.losses import LOSSES
from docre.memory import enough_memory_for
from docre.models import MODELS, Encoder, Model
from docre.tensors import Batch


class Predictor:
    """The pieces that turn documents into triples, built as a config says.

    config:    the resolved config of the run (with the loss parameters that were taken from the training data).
    schema:    the relations.
    tokenizer: the encoder's.
    backbone:  the encoder model itself, pretrained or about to be loaded.
    """

    def __init__(self, config: Config, schema: LabelSchema, tokenizer: Any, backbone: Any) -> None:
        self.config = config
        self.schema = schema
        self.tokenizer = tokenizer
        self.loss = LOSSES.build(config.loss.name, config.loss.parameters, len(schema.relations))
        encoder = Encoder(backbone, config.encoder.averaged_layers, config.encoder.implementation)
        parameters = config.model.parameters
        self.model: Model = MODELS.build(config.model.name, parameters, encoder, self.loss.num_outputs)
        self.featurise = Featuriser(tokenizer, schema, config.data.max_tokens)
        before, after = (tokenizer.cls_token_id,), (tokenizer.sep_token_id,) * encoder.window_end
        limits = config.evaluation
        self.limits = Limits(limits.max_pairs_per_batch, limits.max_tokens_per_batch, self.model.pairs_interact)
        self.collate = Collator(WindowPlan(encoder.max_length, before, after), len(schema.relations))

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def to(self, device: str | torch.device) -> "Predictor":
        """Move the model to a device, and return this predictor."""
        self.model.to(device)
        self.loss.to(device)
        return self

    def predict(self, documents: Sequence[Document], progress: bool = False) -> list[list[Prediction]]:
        """The predicted triples of each document, in order, each with its score and margin."""
        return self.predict_features(self.featurise(documents), progress)

    def predict_features(self, features: Sequence[Features], progress: bool = False) -> list[list[Prediction]]:
        """`predict` for documents that are already featurised."""
        found: list[list[Prediction]] = [[] for _ in features]

        def read(owners: list[int], parts: list[Features], logits: Tensor) -> None:
            for owner, predictions in zip(owners, self._read(parts, logits), strict=True):
                found[owner] += predictions

        self.run(features, read, "predict", progress)
        return found

    def run(
        self,
        features: Sequence[Features],
        read: Callable[[list[int], list[Features], Tensor], None],
        what: str,
        progress: bool = False,
    ) -> None:
        """Give the logits of documents to `read`, batch by batch within the config's limits, documents of like length
        together, the model in evaluation mode.

        read: takes the documents of a batch by number; their features, which for a document above the limits are pieces
        that come in order; and the logits [pairs, outputs] of all, on the model's device. what: the name of the bar.
        Raises DocreError, naming the documents, where memory does not suffice for them.
        """
        order = sorted(range(len(features)), key=lambda i: len(features[i].input_ids))
        size = self.config.evaluation.batch_size
        chunks = [[features[i] for i in order[start : start + size]] for start in range(0, len(order), size)]
        parts = [part for chunk in chunks for part in self.limits.parts(chunk)]
        owners = [i for i in order for _ in self.limits.pieces(features[i])]
        loader: DataLoader[Batch] = DataLoader(
            parts,  # type: ignore[arg-type]
            batch_size=None,
            collate_fn=self.collate,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # without one it draws from the global generator, which the training uses
        )
        bar = tqdm(total=len(owners), unit="doc", desc=what, disable=not progress, leave=False)
        with evaluating(self.model), bar:
            owner = iter(owners)
            for part, batch in zip(parts, loader, strict=True):
                with enough_memory_for(batch, "evaluation"):
                    read(list(islice(owner, len(part))), part, self.logits(batch))
                bar.update(len(part))

    @torch.inference_mode()
    def logits(self, batch: Batch) -> Tensor:
        """The model's logits [pairs, outputs] in the config's precision; the batch may be on any device."""
        device = self.device
        precision = resolve_precision(self.config.training.precision, device)
        with torch.autocast(device.type, AUTOCAST.get(precision), enabled=precision in AUTOCAST):
            return self.model(batch.to(device, non_blocking=True)).logits

    @torch.inference_mode()
    def _read(self, features: Sequence[Features], logits: Tensor) -> list[list[Prediction]]:
        """The predictions of each document, from the logits of all."""
        pair, relation = self.loss.decide(logits, self.config.evaluation.top_k).nonzero(as_tuple=True)
        scores = self.loss.scores(logits.float())[pair, relation].tolist()
        margins = self.loss.margins(logits)[pair, relation].tolist()
        pairs = np.concatenate([f.pairs for f in features]).tolist()
        owner = np.repeat(np.arange(len(features)), [len(f.pairs) for f in features]).tolist()
        found: list[list[Prediction]] = [[] for _ in features]
        for p, r, score, margin in zip(pair.tolist(), relation.tolist(), scores, margins, strict=True):
            head, tail = pairs[p]
            title = features[owner[p]].title
            found[owner[p]].append(Prediction(title, head, tail, self.schema.relations[r], score, margin))
        return found


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and at the end what was before."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


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
