"""docre's dropout behaves as dropout: rate, scale, gradient, seed, and no correlation between neighbors."""

import pytest
import torch

from docre.models.dropout import dropout


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
def test_share_scale_and_mean(p):
    torch.manual_seed(0)
    values = torch.rand(1000, 1001) + 1
    dropped = dropout(values, p)
    kept = dropped != 0
    error = (p * (1 - p) / values.numel()) ** 0.5
    assert abs((~kept).double().mean() - p) < 5 * error + 2**-16
    torch.testing.assert_close(dropped[kept], values[kept] / (1 - p), rtol=2e-4, atol=0)
    assert abs(dropped.double().mean() / values.double().mean() - 1) < 5 * error / (1 - p)


def test_elements_are_independent():
    torch.manual_seed(0)
    kept = (dropout(torch.ones(1_000_003), 0.3) != 0).double() - 0.7
    for distance in (1, 2, 3, 4, 5, 8):
        correlation = (kept[distance:] * kept[:-distance]).mean() / (0.3 * 0.7)
        assert abs(correlation) < 5e-3


def test_gradient_goes_through_what_is_kept():
    torch.manual_seed(0)
    values = torch.randn(37, 5, requires_grad=True)
    dropped = dropout(values, 0.4)
    dropped.backward(torch.ones_like(dropped))
    torch.testing.assert_close(values.grad, torch.where(dropped != 0, 1 / 0.6, 0.0), rtol=1e-4, atol=0)


def test_seed_repeats_and_edges():
    values = torch.randn(10, 7)
    torch.manual_seed(3)
    first = dropout(values, 0.5)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(values, 0.5)) and not torch.equal(first, dropout(values, 0.5))
    assert torch.equal(dropout(values, 0.0), values) and not dropout(values, 1.0).any()
    assert dropout(torch.empty(0, 3), 0.5).shape == (0, 3)
