"""A training step leaves no tensor in memory. Python never collects a reference cycle that runs through autograd's
nodes."""

import gc

import pytest
import torch

from docre.losses import build
from docre.models import MODELS, Encoder
from docre.training.objective import Objective
from tests.models.small import small_sizes
from tests.models.test_fast_equals_reference import BATCHES, RELATIONS, batch_of
from tests.tiny import tiny_bert


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", list(MODELS))
def test_a_step_leaves_no_tensor_behind(name, layers, train):
    loss = build("atl", RELATIONS)
    model = MODELS.build(name, small_sizes(name), Encoder(tiny_bert(), layers), loss.num_outputs)
    objective = Objective(model, loss).train(train)
    batch = batch_of(*BATCHES["several lengths"])
    counts = []
    for _ in range(3):
        objective(batch)[0].backward()
        counts.append(tensors())
    assert counts[0] == counts[1] == counts[2]
