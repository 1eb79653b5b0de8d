"""Every model of the registry trains with losses of every kind of threshold: TH, one weighted softmax, groups, zero."""

import pytest
import torch

from docre.losses import build
from docre.models import MODELS, Encoder
from docre.training.objective import Objective
from tests.losses.cases import parameters_for
from tests.models.small import small_sizes
from tests.models.test_fast_equals_reference import RELATIONS, batch_of
from tests.tiny import tiny_bert


@pytest.mark.parametrize("loss", ["atl", "atgl", "amtl", "balanced_softmax"])
@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_trains_with_every_kind_of_loss(name, loss):
    torch.manual_seed(0)
    own = build(loss, RELATIONS, **parameters_for(loss, RELATIONS))
    model = MODELS.build(name, small_sizes(name), Encoder(tiny_bert()), own.num_outputs)
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
