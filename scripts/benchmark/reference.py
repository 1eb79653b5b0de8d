"""The slow reference as two sides of the benchmark: with the C allocator as it is, and with docre's settings of it."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from docre.config.schema import Training
from scripts.benchmark.workers import TOP_K, Settings, Subject


class Reference(Subject):
    """The slow reference, written like published code: as there, every step turns label lists into a tensor and makes
    decisions. Its batches are lists that are built before the time is taken, so that it has no collate stage. Nothing
    changes the settings of its C allocator."""

    keeps_memory = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        reference: Any = importlib.import_module("tests.models.reference")
        self.reference = reference
        self.slow_features = importlib.import_module("tests.data.reference").slow_features
        self.model = reference.ReferenceATLOP.copy_of(self.model.cpu(), self.backbone())
        self.objective = self.model.to(self.device)
        encoder = [p for name, p in self.model.named_parameters() if name.startswith("backbone.")]
        rest = [p for name, p in self.model.named_parameters() if not name.startswith("backbone.")]
        rates = Training()
        groups = [{"params": encoder, "lr": rates.encoder_lr}, {"params": rest, "lr": rates.head_lr}]
        self.optimizer = torch.optim.AdamW(groups, eps=rates.adam_epsilon, weight_decay=0.0)

    def prepare(self, chosen: Sequence[int]) -> Any:
        lists = self.reference.Lists.of(self.collate([self.features[i] for i in chosen]))
        lists.ids, lists.mask = lists.ids.to(self.device), lists.mask.to(self.device)
        return lists

    def batch(self, prepared: Any) -> Any:
        return prepared

    def featurize(self, chosen: Sequence[int]) -> None:
        for i in chosen:
            self.slow_features(self.documents[i], self.tokenizer, self.schema.relations)

    def parts(self) -> tuple[Callable[..., Any], ...]:
        model = self.model
        return (
            model.encode,
            lambda encoded, lists: model.pool(*encoded, lists),
            lambda pooled, lists: model.classify(*pooled),
            self.loss_and_decisions,
        )

    def logits(self, prepared: Any) -> Tensor:
        return self.model.run(prepared)

    def loss_and_decisions(self, logits: Tensor, lists: Any) -> Tensor:
        self.reference.reference_decisions(logits, TOP_K)
        return self.reference.reference_loss(logits.float(), lists)

    def step(self, prepared: Any) -> None:
        with self.autocast():
            loss = self.loss_and_decisions(self.logits(prepared), prepared)
        loss.backward()
        self.update()

    @torch.no_grad()
    def decide(self, prepared: Any) -> None:
        with self.autocast():
            logits = self.logits(prepared)
        self.reference.reference_decisions(logits, TOP_K).cpu().nonzero().tolist()


class ReferenceKeepingMemory(Reference):
    """The same with the allocator settings that docre's training makes: what is faster than this is due to the code."""

    keeps_memory = True
