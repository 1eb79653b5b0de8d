"""What is put in the place of an encoder's parts: everywhere, and computing the same."""

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu
from transformers.activations import GELUActivation

from docre.models import Encoder
from docre.models.dropout import Dropout
from docre.models.encoder import PACKED_TYPES
from docre.models.gelu import Gelu
from docre.models.swap import swap
from tests.models.test_encoders import OTHERS, tiny


def test_swaps_every_dropout_of_a_module_and_keeps_its_share():
    module = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Dropout(0.2), nn.ReLU()), nn.Dropout(0.1))
    swap(module, nn.Dropout, lambda old: Dropout(old.p))
    assert [m.p for m in module.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.1]
    assert all(type(m) is Dropout for m in module.modules() if isinstance(m, nn.Dropout))
    values = torch.ones(4, 3)
    assert torch.equal(module.eval()[1][0](values), values)


@pytest.mark.parametrize("model_type", [*sorted(PACKED_TYPES), *OTHERS])
def test_what_an_encoder_has(model_type):
    backbone = tiny(model_type)
    activations = [type(m) for m in backbone.modules()].count(GELUActivation)
    Encoder(backbone)
    kinds = [type(m) for m in backbone.modules()]
    assert nn.Dropout not in kinds
    packed = model_type in PACKED_TYPES
    assert kinds.count(Gelu) == (activations if packed else 0)
    assert kinds.count(GELUActivation) == (0 if packed else activations)
    assert not packed or activations == backbone.config.num_hidden_layers


def test_gelu_is_in_place_only_where_no_gradient_needs_its_input():
    values = torch.randn(5, 7, dtype=torch.float64)
    expected = gelu(values)
    leaf = values.clone().requires_grad_()
    assert torch.equal(Gelu()(leaf), expected) and torch.equal(leaf, values)
    assert torch.autograd.gradcheck(Gelu(), leaf)
    with torch.inference_mode():
        copy = values.clone()
        assert torch.equal(Gelu()(copy), expected) and torch.equal(copy, expected)
