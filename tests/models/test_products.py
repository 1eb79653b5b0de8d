"""Products of float32 matrices by oneDNN equal PyTorch's own, with their gradients, and are used where they pay."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from docre.data.collate import Collator, WindowPlan
from docre.models import MODELS, Encoder, products
from docre.models.products import Linear, by_onednn, least_seconds, linear, matmul, onednn_is_faster
from tests.models.small import small_sizes
from tests.models.test_fast_equals_reference import LIMIT, RELATIONS, random_features
from tests.tiny import tiny_bert

HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.backends.mkldnn.is_available()
needs_onednn = pytest.mark.skipif(not HAS_ONEDNN, reason="PyTorch has no oneDNN here")
SIZES = st.integers(1, 40)
LAYOUTS = st.sampled_from(["rows", "columns", "part", "turned part"])


@pytest.fixture
def onednn(monkeypatch):
    """oneDNN takes every product of float32 matrices, however small; counts them."""
    taken = []
    monkeypatch.setattr(products, "MIN_WORK", 1)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "by_onednn", lambda *operands: taken.append(1) or by_onednn(*operands))
    return taken


def laid_out(matrix: torch.Tensor, layout: str) -> torch.Tensor:
    """The same matrix, in memory row by row, column by column, or as a part of a larger one of either kind."""
    if layout in ("columns", "turned part"):
        return laid_out(matrix.T.contiguous(), "part" if layout == "turned part" else "rows").T
    return torch.cat([matrix, matrix], dim=1)[:, : matrix.shape[1]] if layout == "part" else matrix


@needs_onednn
@given(SIZES, SIZES, SIZES, LAYOUTS, LAYOUTS)
def test_a_product_is_that_in_double_precision(n, k, m, of_a, of_b):
    a, b, bias = torch.randn(n, k), torch.randn(m, k), torch.randn(m)
    expected = nn.functional.linear(a.double(), b.double(), bias.double())
    found = by_onednn(laid_out(a, of_a), laid_out(b, of_b), bias)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5 * (1 + k))


@needs_onednn
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("shape", [(6, 8), (2, 3, 8), (0, 8)])
def test_gradients_of_a_linear_layer(shape, with_bias, onednn):
    torch.manual_seed(0)
    layer = Linear(8, 5, bias=with_bias)
    x = torch.randn(shape, requires_grad=True)
    exact, exact_x = nn.Linear(8, 5, bias=with_bias).double(), x.detach().double().requires_grad_()
    exact.load_state_dict(layer.state_dict())
    found, expected = layer(x), exact(exact_x)
    assert found.shape == expected.shape
    gradient = torch.randn_like(found)
    found.backward(gradient)
    expected.backward(gradient.double())
    assert len(onednn) == (3 if len(x) else 0)  # an empty product is no work
    own, other = [found, x.grad], [expected, exact_x.grad]
    own += [p.grad for p in layer.parameters()]
    other += [p.grad for p in exact.parameters()]
    for a, b in zip(own, other, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=0, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize("frozen", ["x", "weight", "bias"])
def test_what_needs_no_gradient_gets_none(frozen, onednn):
    inputs = {"x": torch.randn(3, 4), "weight": torch.randn(2, 4), "bias": torch.randn(2)}
    for name, tensor in inputs.items():
        tensor.requires_grad_(name != frozen)
    linear(**inputs).sum().backward()
    assert [name for name, tensor in inputs.items() if tensor.grad is None] == [frozen]
    assert len(onednn) == (3 if frozen == "bias" else 2)


@needs_onednn
@pytest.mark.parametrize("name", list(MODELS))
def test_models_compute_the_same(name, onednn, monkeypatch):
    """Logits and gradients of every model; the encoder's and the head's products all go through oneDNN."""
    torch.manual_seed(0)
    batch = Collator(WindowPlan(LIMIT, (2,), (3,)), RELATIONS)(random_features([48, 30], [8, 5]))
    model = MODELS.build(name, small_sizes(name), Encoder(tiny_bert()), RELATIONS + 1).eval()
    results = []
    for takes_all in (True, False):
        monkeypatch.setattr(products, "onednn_is_faster", lambda takes_all=takes_all: takes_all)
        model.zero_grad()
        logits = model(batch).logits
        logits.square().sum().backward()
        results.append([logits.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    assert len(onednn) > 3 * 6 * 2  # forward and backward of six layers in each of two blocks, at least
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_small_products_and_other_types_are_left_to_pytorch(onednn, monkeypatch):
    a, b = torch.ones(4, 4), torch.ones(4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(a, b).dtype == torch.bfloat16
    matmul(a.double(), b.double())
    assert torch.equal(linear(a[0], b), torch.full((4,), 4.0))
    monkeypatch.setattr(products, "MIN_WORK", 65)
    assert torch.equal(matmul(a, b), torch.full((4, 4), 4.0))
    monkeypatch.setattr(products, "MIN_WORK", 1)
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    out = torch.empty(4, 4)
    assert matmul(a, b, out=out) is out
    assert not onednn


@pytest.mark.parametrize(("mkl", "other", "faster"), [(1.0, 0.5, True), (1.0, 0.8, False), (1.0, 2.0, False)])
def test_onednn_is_measured(mkl, other, faster, monkeypatch):
    monkeypatch.setattr(products, "least_seconds", lambda *ways: [mkl, other])
    assert onednn_is_faster.__wrapped__() is (faster and HAS_ONEDNN)


def test_a_pytorch_without_onednn(monkeypatch):
    def absent(*operands):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(products, "by_onednn", absent)
    assert onednn_is_faster.__wrapped__() is False


def test_the_least_seconds_of_each_way():
    waits = iter([0.02, 0.001, 0.001, 0.02] + 10 * [0.03])
    called = []
    first, second = least_seconds(
        lambda: called.append(1) or time.sleep(next(waits)), lambda: called.append(2) or time.sleep(2 * next(waits))
    )
    assert called == 7 * [1, 2]
    assert 0.001 <= first < 0.02 and 0.002 <= second < 0.04
