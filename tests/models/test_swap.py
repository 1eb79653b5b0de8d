"""Modules of an encoder are replaced everywhere, by ones that compute the same."""

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu
from transformers.activations import GELUActivation, NewGELUActivation

from docre.models import Encoder
from docre.models.dropout import Dropout
from docre.models.gelu import Gelu, GeluLinear
from docre.models.swap import change_classes, swap
from tests.models.test_encoders import FAMILIES, tiny


def test_swap_replaces_every_dropout_and_keeps_its_probability():
    module = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Dropout(0.2), nn.ReLU()), nn.Dropout(0.1))
    swap(module, nn.Dropout, lambda old: Dropout(old.p))
    assert [m.p for m in module.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.1]
    assert all(type(m) is Dropout for m in module.modules() if isinstance(m, nn.Dropout))
    values = torch.ones(4, 3)
    assert torch.equal(module.eval()[1][0](values), values)


class Doubled(nn.Linear):
    def forward(self, input):
        return 2 * super().forward(input)


def test_change_classes_changes_every_module_of_exactly_a_type():
    module = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Bilinear(3, 3, 3), nn.Linear(3, 3)), nn.ReLU())
    values = torch.randn(2, 3)
    before = module[0](values)
    change_classes(module, {nn.Linear: Doubled})
    assert [type(part) for part in (module[0], module[1][0], module[1][1])] == [Doubled, nn.Bilinear, Doubled]
    assert torch.equal(module[0](values), 2 * before)
    assert module.state_dict().keys() == nn.Sequential(nn.Linear(3, 3), module[1], nn.ReLU()).state_dict().keys()


@pytest.mark.parametrize("family", FAMILIES)
def test_which_modules_of_an_encoder_are_replaced(family):
    backbone = tiny(family)
    names = backbone.state_dict().keys()
    kinds = [type(m) for m in backbone.modules()]
    activations = kinds.count(GELUActivation) + kinds.count(NewGELUActivation)
    encoder = Encoder(backbone)
    kinds = [type(m) for m in backbone.modules()]
    assert nn.Dropout not in kinds
    assert kinds.count(Gelu) == (activations if encoder.packed else 0)
    assert kinds.count(GeluLinear) == (feed_forward_layers(backbone) if encoder.packed else 0)
    assert not encoder.packed or activations > 0
    assert {name for name in names if "pooler" not in name} == set(backbone.state_dict())


def feed_forward_layers(backbone) -> int:
    """How many layers have a linear layer after GELU; in ModernBERT a product of two is between them."""
    config = backbone.config
    if config.model_type == "modernbert":
        return 0
    if config.model_type == "albert":  # groups of layers are repeated
        return config.num_hidden_groups * config.inner_group_num
    return config.num_hidden_layers


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_encoder_is_unchanged(family):
    backbone = tiny(family)
    before = {name: type(part) for name, part in backbone.named_modules()}
    Encoder(backbone, implementation="plain")
    after = {name: type(part) for name, part in backbone.named_modules()}
    assert after == {name: kind for name, kind in before.items() if not name.startswith("pooler.") and name != "pooler"}
    assert backbone.config._attn_implementation == "eager"


@pytest.mark.parametrize(("approximate", "theirs"), [("none", GELUActivation()), ("tanh", NewGELUActivation())])
def test_gelu_is_in_place_only_where_no_gradient_needs_its_input(approximate, theirs):
    values = torch.randn(5, 7, dtype=torch.float64)
    expected = gelu(values, approximate=approximate)
    torch.testing.assert_close(expected, theirs(values))
    ours = Gelu(approximate)
    leaf = values.clone().requires_grad_()
    assert torch.equal(ours(leaf), expected) and torch.equal(leaf, values)
    assert torch.autograd.gradcheck(ours, leaf)
    with torch.inference_mode():
        copy = values.clone()
        assert torch.equal(ours(copy), expected) and torch.equal(copy, expected)


def gelu_linear(approximate: str) -> GeluLinear:
    torch.manual_seed(0)
    layer = nn.Linear(7, 3)
    layer.__class__, layer.gelu = GeluLinear, Gelu(approximate)
    return layer


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("half", [False, True])
def test_the_linear_layer_after_gelu_saves_only_gelus_input(approximate, half):
    """Output and gradients are those of the two layers one after another; without gradients too."""
    layer, x = gelu_linear(approximate), torch.randn(2, 5, 7, requires_grad=True)
    weights = [layer.weight, layer.bias]
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        output = layer(x)
        expected = nn.functional.linear(gelu(x.bfloat16() if half else x, approximate=approximate), *weights)
        assert [tuple(saved.shape) for saved in output.grad_fn.saved_tensors] == [(2, 5, 7), (3, 7)]
        with torch.inference_mode():
            assert torch.equal(layer(x.bfloat16() if half else x.clone()), output)
    assert output.dtype == expected.dtype == (torch.bfloat16 if half else torch.float32)
    results = [[y, *torch.autograd.grad(y.square().sum(), [x, *weights])] for y in (output, expected)]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, **(dict(atol=2e-2, rtol=2e-2) if half else {}))


@pytest.mark.parametrize("frozen", [[], ["weight"], ["bias"], ["weight", "bias"]])
def test_gradients_of_the_linear_layer_after_gelu(frozen):
    layer = gelu_linear("none").double()
    for name in frozen:
        getattr(layer, name).requires_grad_(False)
    x = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *_: layer(x), [x, *(p for p in layer.parameters() if p.requires_grad)])
