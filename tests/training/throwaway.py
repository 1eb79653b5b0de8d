"""A throw-away idea as a plugin: a model with a learned gate, a term, and an inference that is fitted."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import nn

from docre.inference.methods import INFERENCES
from docre.models.atlop import ATLOP
from docre.models.base import MODELS, NOTHING
from docre.tensors import Batch, ModelOutput
from docre.terms.base import TERMS, Term


@MODELS.register("gated")
class Gated(ATLOP):
    """ATLOP whose logits are scaled by a learned gate of each pair."""

    offers = frozenset({"attention", "gate"})
    rate_groups = MappingProxyType({"gate": ("gate",)})

    def __init__(self, encoder, num_outputs: int, head_size: int = 16, block_size: int = 4) -> None:
        super().__init__(encoder, num_outputs, head_size, block_size)
        self.gate = nn.Linear(2 * head_size, 1)

    def forward(self, batch: Batch, wanted: frozenset[str] = NOTHING) -> ModelOutput:
        output = super().forward(batch, wanted)
        gate = self.gate(torch.cat([output.head.flatten(1), output.tail.flatten(1)], dim=1)).sigmoid()
        return replace(output, logits=2 * gate * output.logits, auxiliaries={"gate": gate} if "gate" in wanted else {})


@TERMS.register("open_gate")
class OpenGate(Term):
    """Opens the gate of labeled pairs."""

    wants = frozenset({"gate"})
    over = "labeled"

    def forward(self, output: ModelOutput, batch: Batch) -> torch.Tensor:
        return -output.auxiliaries["gate"][batch.labels.any(1)].log().sum()


@INFERENCES.register("shifted")
class Shifted(INFERENCES["plain"]):
    """Plain inference, with a shift of the margins that is the mean positive margin on dev."""

    needs_fit = True

    def score(self, predictor, features, handle, task: str, progress: bool = False) -> None:
        def shift(document, pair, found) -> None:
            margins = found.margins - self.fitted["shift"]
            handle(document, pair, replace(found, margins=margins, predicted=margins > 0))

        super().score(predictor, features, shift, task, progress)

    def fit(self, predictor, features: Sequence, progress: bool = False) -> dict[str, float]:
        means: list[float] = []
        super().score(predictor, features, lambda d, p, f: means.append(float(f.margins[f.margins > 0].mean())), "fit")
        return {"shift": sum(means) / len(means)}
