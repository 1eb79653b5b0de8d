"""scripts/emulated_bf16.py: the products of PyTorch's bf16, computed in fp32."""

import sys

import pytest
import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode

from docre.models import precision
from tests.children import Child, forks


@pytest.fixture(autouse=True)
def not_loaded(monkeypatch):
    """The config of a plan may have loaded it into this process."""
    monkeypatch.delitem(sys.modules, "scripts.emulated_bf16", raising=False)


def products() -> list[torch.Tensor]:
    torch.manual_seed(0)
    a, b = torch.randn(64, 48).bfloat16(), torch.randn(48, 32).bfloat16()
    c = torch.randn(2, 64, 48).bfloat16()
    into, added = torch.zeros(2, 64, 64).bfloat16(), torch.ones(64, 32).bfloat16()
    torch.bmm(c, c.mT, out=into)
    added.addmm_(a, b, beta=0.5)
    layer, x = torch.nn.Linear(48, 32), torch.randn(5, 48, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        layer(x).square().sum().backward()
    return [a @ b, c @ b, torch.baddbmm(into, c, c.mT), into, added, x.grad, layer.weight.grad, a.float() @ b.float()]


@forks
def test_products_are_those_of_pytorch(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "bf16_pays", lambda: False)  # as on a CPU without native bf16
    expected = products()

    def compare(_: list[str]) -> None:
        from scripts.emulated_bf16 import ProductsInFloat32

        assert isinstance(_get_current_dispatch_mode(), ProductsInFloat32)
        for found, wanted in zip(products(), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=2**-7, atol=1e-6)

    child = Child([], tmp_path / "said.txt", main=compare)
    assert child.wait() == 0, child.text()


@forks
def test_nothing_changes_where_bf16_is_native(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "bf16_pays", lambda: True)

    def load(_: list[str]) -> None:
        import scripts.emulated_bf16  # noqa: F401

        assert _get_current_dispatch_mode() is None

    child = Child([], tmp_path / "said.txt", main=load)
    assert child.wait() == 0, child.text()
