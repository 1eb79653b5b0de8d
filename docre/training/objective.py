"""What is optimized, as one module (which is wrapped for several processes): the model, the loss and the terms."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from docre.config.schema import WeightedTerm
from docre.errors import DocreError
from docre.losses import Loss
from docre.models import Model
from docre.tensors import Batch, ModelOutput, check_scalar
from docre.terms import TERMS, Term
from docre.training.freeze import keep_frozen_in_eval_mode


class Objective(nn.Module):
    """Maps a labeled batch to its share of the objective of an optimizer step: loss + sum_k weight_k * term_k.

    terms: the terms with their weights, as in the config.
    epoch: the current epoch, from 1; the trainer sets it. A term takes part from its `from_epoch` on.
    """

    def __init__(self, model: Model, loss: Loss, terms: Sequence[WeightedTerm] = ()) -> None:
        super().__init__()
        check_given_once(terms)
        self.model = model
        self.loss = loss
        self.terms = nn.ModuleDict({term.name: TERMS.build(term.name, term.parameters) for term in terms})
        self.weighted = {term.name: term for term in terms}
        self.epoch = 1
        self.part_names = ["loss", *self.terms] if self.terms else []
        for name in self.terms:
            own = cast(Term, self.terms[name])
            own.use_loss(loss.forward)
            for wanted in sorted(own.wants - model.offers):
                raise DocreError(f"term {name!r} needs a model that offers {wanted!r}; {type(model).__name__} does not")

    def train(self, mode: bool = True) -> "Objective":
        """Switch to training mode, but for the parts that are frozen."""
        super().train(mode)
        keep_frozen_in_eval_mode(self)
        return self

    def active(self) -> dict[str, Term]:
        """The terms that take part in the current epoch, by name."""
        return {
            name: cast(Term, term) for name, term in self.terms.items() if self.epoch >= self.weighted[name].from_epoch
        }

    def parts(self) -> list[str]:
        """The names of what the objective consists of in the current epoch: "loss" and the terms; nothing if there are
        no terms."""
        return ["loss", *self.active()] if self.terms else []

    def counts(self, batch: Batch) -> dict[str, int]:
        """The numbers of "pairs" of a batch that the loss is a mean over (`Model.loss_rows`), of "labeled" ones, and of
        those "with_evidence"."""
        assert batch.labels is not None, "training documents are labeled"
        pairs = self.model.loss_rows(len(batch.pair_head), sum(batch.entity_counts))
        labeled, with_evidence = int(batch.labels.any(1).sum()), len(batch.evidence[:, 0].unique())
        return {"pairs": pairs, "labeled": labeled, "with_evidence": with_evidence}

    def forward(self, batch: Batch, totals: Mapping[str, int] | None = None) -> tuple[Tensor, list[Tensor]]:
        """The share of a batch in the objective of its step, a scalar, and the share of each of its `parts`, without
        weight and gradient.

        totals: the sum of `counts` over all batches of the step, in all processes; by default of this batch alone.
        """
        assert batch.labels is not None, "training documents are labeled"
        totals = self.counts(batch) if totals is None else totals
        terms = self.active()
        wanted = frozenset().union(*(term.wants for term in terms.values()))
        output: ModelOutput = self.model(batch, wanted) if wanted else self.model(batch)
        self.check(output, len(batch.pair_head))
        rows = self.model.loss_rows(len(batch.pair_head), sum(batch.entity_counts))
        loss = self.loss(*with_empty_rows(output, batch.labels, rows)) * (rows / max(1, totals["pairs"]))
        if not self.terms:
            return loss, []
        parts, total = [loss.detach()], loss
        with torch.autocast(loss.device.type, enabled=False):
            output = output.at_least_float32()
            for name, term in terms.items():
                value = term(output, batch)
                check_scalar(value, f"term {name!r}: {type(term).__name__}.forward")
                value = value / max(1, totals[term.over])
                parts.append(value.detach())
                total = total + self.weighted[name].weight * value
        return total, parts

    def check(self, output: Any, pairs: int) -> None:
        """Raises DocreError unless a model returned logits for each pair and each output of the loss."""
        name = type(self.model).__name__
        if not isinstance(output, ModelOutput):
            raise DocreError(f"{name}.forward returned {type(output).__name__}, expected a docre.tensors.ModelOutput")
        expected = [pairs, self.loss.num_outputs]
        if list(output.logits.shape) != expected:
            raise DocreError(f"{name}.forward: logits have shape {list(output.logits.shape)}, expected {expected}")


def check_given_once(terms: Sequence[WeightedTerm]) -> None:
    """Raises DocreError for a term that is given twice."""
    for term in terms:
        if sum(other.name == term.name for other in terms) > 1:
            raise DocreError(f"terms: {term.name!r} is given twice")


def with_empty_rows(output: ModelOutput, labels: Tensor, rows: int) -> tuple[ModelOutput, Tensor]:
    """The output and the labels [pairs, relations], extended to `rows` rows with zeros: all-zero logits, no label."""
    extra = rows - len(labels)
    if not extra:
        return output, labels
    extended: dict[str, Any] = {
        name: None if tensor is None else pad(tensor, [0, 0] * (tensor.dim() - 1) + [0, extra])
        for name, tensor in (("head", output.head), ("tail", output.tail))
    }
    return replace(output, logits=pad(output.logits, (0, 0, 0, extra)), **extended), pad(labels, (0, 0, 0, extra))
