"""The model and the loss as one module: what is trained, and what several processes share."""

from torch import Tensor, nn

from docre.losses import Loss
from docre.models import Model
from docre.tensors import Batch


class Objective(nn.Module):
    """batch -> the loss of its pairs (their mean), a scalar."""

    def __init__(self, model: Model, loss: Loss) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, batch: Batch) -> Tensor:
        assert batch.labels is not None, "training documents are labeled"
        return self.loss(self.model(batch), batch.labels)
