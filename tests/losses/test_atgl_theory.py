"""The implementation of ATGL has the properties proved in Appendix A of its paper.

For one pair with k positives, classes TH and 1 .. R, weights w (alpha for positives, 1 for TH, 0 for negatives), their
sum W = alpha k + 1 and p = softmax(logits), the gradient of the loss is W p - w.
"""

from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from docre.losses import build
from docre.tensors import ModelOutput

few = settings(max_examples=50, deadline=None)


@st.composite
def one_pair(draw: st.DrawFn) -> tuple[Tensor, Tensor, float]:
    """Logits [1, 1 + R], labels [1, R] and alpha."""
    relations = draw(st.integers(1, 6))
    finite = st.floats(-20, 20)
    logits = draw(st.lists(finite, min_size=relations + 1, max_size=relations + 1))
    labels = draw(st.lists(st.booleans(), min_size=relations, max_size=relations))
    return torch.tensor([logits], dtype=torch.float64), torch.tensor([labels]), draw(st.floats(0.1, 50))


def value(logits: Tensor, labels: Tensor, alpha: float) -> Tensor:
    return build("atgl", labels.shape[1], alpha=alpha)(ModelOutput(logits), labels)


def gradient(logits: Tensor, labels: Tensor, alpha: float) -> Tensor:
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(value(logits, labels, alpha), logits)[0]


def weights(labels: Tensor, alpha: float) -> Tensor:
    return torch.cat([torch.ones(1, 1, dtype=torch.float64), alpha * labels.double()], dim=1)


@few
@given(one_pair())
def test_gradient_is_total_weight_times_probability_minus_weight(pair: tuple[Tensor, Tensor, float]) -> None:
    logits, labels, alpha = pair
    w = weights(labels, alpha)
    exponentials = logits.exp()
    expected = w.sum() * exponentials / exponentials.sum() - w
    assert torch.allclose(gradient(logits, labels, alpha), expected, atol=1e-10)


@few
@given(one_pair())
def test_gradient_sums_to_zero(pair: tuple[Tensor, Tensor, float]) -> None:
    assert gradient(*pair).sum().abs() < 1e-9 * weights(*pair[1:]).sum()


@few
@given(one_pair(), st.floats(-1000, 1000))
def test_adding_a_constant_to_all_logits_changes_nothing(pair: tuple[Tensor, Tensor, float], constant: float) -> None:
    logits, labels, alpha = pair
    assert torch.allclose(value(logits + constant, labels, alpha), value(*pair), rtol=1e-9, atol=1e-9)
    assert torch.allclose(gradient(logits + constant, labels, alpha), gradient(*pair), atol=1e-9)


@few
@given(one_pair())
def test_hessian_is_positive_semi_definite(pair: tuple[Tensor, Tensor, float]) -> None:
    logits, labels, alpha = pair
    hessian = torch.autograd.functional.hessian(lambda x: value(x[None], labels, alpha), logits[0])
    total = weights(labels, alpha).sum()
    p = logits[0].softmax(0)
    assert torch.allclose(hessian, total * (p.diag() - p.outer(p)), atol=1e-10)
    assert torch.linalg.eigvalsh(hessian).min() > -1e-12 * total


@few
@given(one_pair())
def test_negatives_are_never_pulled_up(pair: tuple[Tensor, Tensor, float]) -> None:
    """The gradient of a relation that does not hold is never negative."""
    logits, labels, alpha = pair
    assert (gradient(logits, labels, alpha)[:, 1:][~labels] >= 0).all()


@pytest.mark.parametrize("alpha", [6.0, 16.5])
def test_positives_settle_log_alpha_above_the_threshold(alpha: float) -> None:
    """Gradient descent from random logits, for pairs with 1 to 4 positives of 6 relations: s_p - t -> log(alpha), while
    the negatives fall ever further."""
    torch.manual_seed(0)
    logits = 3 * torch.randn(4, 7, dtype=torch.float64)
    labels = torch.arange(6) <= torch.arange(4)[:, None]
    loss = build("atgl", 6, alpha=alpha)
    steps = 2 / (alpha * labels.sum(1, keepdim=True) + 1)
    for _ in range(2000):
        logits.requires_grad_()
        pairs_gradient = 4 * torch.autograd.grad(loss(ModelOutput(logits), labels), logits)[0]
        logits = logits.detach() - steps * pairs_gradient
    margins = logits[:, 1:] - logits[:, :1]
    assert torch.allclose(margins[labels], torch.tensor(log(alpha), dtype=torch.float64), atol=1e-2)
    assert (margins[~labels] < -4).all()


def test_without_positives_only_the_threshold_rises() -> None:
    """The loss of an NA pair is softmax cross-entropy with TH as the class."""
    logits, labels = torch.randn(1, 5, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.bool)
    assert torch.allclose(value(logits, labels, 16.5), -logits.log_softmax(1)[0, 0])
    assert (gradient(logits, labels, 16.5)[0] > 0).tolist() == [False, True, True, True, True]
