"""Winograd's convolution is nn.Conv2d's, with its gradients, whatever the side of the map."""

import pytest
import torch
from torch.nn.functional import conv2d

from docre.models import winograd
from docre.models.winograd import Convolution


@pytest.fixture(autouse=True)
def mkl_is_fast(monkeypatch):
    monkeypatch.setattr(winograd, "onednn_is_faster", lambda: False)


@pytest.mark.parametrize("side", [8, 9, 10, 11, 21, 42])
@pytest.mark.parametrize(("channels", "out"), [(8, 16), (24, 8)])
def test_equals_a_direct_convolution(channels, out, side):
    torch.manual_seed(side)
    convolution = Convolution(channels, out)
    maps = torch.randn(3, channels, side, side, requires_grad=True)
    exact = maps.detach().double().requires_grad_()
    weight, bias = (p.detach().double().requires_grad_() for p in (convolution.weight, convolution.bias))
    found, expected = convolution(maps), conv2d(exact, weight, bias, padding=1)
    gradient = torch.randn(expected.shape)
    found.backward(gradient)
    expected.backward(gradient.double())
    pairs = [(found, expected), (maps.grad, exact.grad), (convolution.weight.grad, weight.grad)]
    for own, direct in [*pairs, (convolution.bias.grad, bias.grad)]:
        torch.testing.assert_close(own.double(), direct, rtol=0, atol=2e-5 * float(direct.detach().abs().max()))


def test_is_used_where_it_is_worth_it(monkeypatch):
    used = []
    real = winograd.transformed_maps
    monkeypatch.setattr(winograd, "transformed_maps", lambda maps: used.append(tuple(maps.shape)) or real(maps))
    for channels, side in ((8, 8), (3, 8), (8, 7)):
        Convolution(channels, 8)(torch.zeros(1, channels, side, side))
    assert used == [(1, 8, 8, 8)]
    monkeypatch.setattr(winograd, "onednn_is_faster", lambda: True)
    Convolution(8, 8)(torch.zeros(1, 8, 8, 8))
    assert len(used) == 1
