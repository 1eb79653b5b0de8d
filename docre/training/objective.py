"""The model and the loss as one module, which is what is optimized (and wrapped for several processes)."""

from torch import Tensor, nn

from docre.losses import Loss
from docre.models import Model
from docre.tensors import Batch
from docre.training.freeze import keep_frozen_in_eval_mode


class Objective(nn.Module):
    """Maps a labeled batch to its loss, a scalar: the mean over its entity pairs."""

    def __init__(self, model: Model, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def train(self, mode: bool = True) -> "Objective":
        """Switch to training mode, but for the parts that are frozen."""
        super().train(mode)
        keep_frozen_in_eval_mode(self)
        return self

    def forward(self, batch: Batch) -> Tensor:
        assert batch.labels is not None, "training documents are labeled"
        return self.loss(self.model(batch), batch.labels)
