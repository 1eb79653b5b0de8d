"""Every model of the registry trains with losses of every kind of threshold: TH, one weighted softmax, groups, zero."""

import inspect

import pytest
import torch

from docre.losses import build
from docre.models import MODELS, Encoder
from docre.training.objective import Objective
from tests.losses.cases import parameters_for
from tests.models.test_fast_equals_reference import RELATIONS, batch_of
from tests.tiny import tiny_bert

# A new model needs no entry: it is built with the sizes among these that it has.
SMALL = {"head_size": 16, "block_size": 4, "memory_size": 8, "layers": 1, "heads": 4, "axial_layers": 1}
SMALL |= {"axial_heads": 4, "map_size": 8, "width": 8, "map_features": 8}


@pytest.mark.parametrize("loss", ["atl", "atgl", "amtl", "balanced_softmax"])
@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_trains_with_every_kind_of_loss(name, loss):
    torch.manual_seed(0)
    own = build(loss, RELATIONS, **parameters_for(loss, RELATIONS))
    sizes = {key: size for key, size in SMALL.items() if key in inspect.signature(MODELS[name]).parameters}
    model = MODELS.build(name, sizes, Encoder(tiny_bert()), own.num_outputs)
    objective = Objective(model, own).train()
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    batch = batch_of([30, 60, 25], [5, 8, 4])
    values = []
    for _ in range(12):
        value, _ = objective(batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        values.append(value.item())
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert sum(values[-3:]) < 0.9 * sum(values[:3])
