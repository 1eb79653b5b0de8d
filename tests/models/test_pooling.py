"""Localized context pooling in slices of tokens equals the product computed at once."""

import pytest
import torch

from docre.models import pooling
from docre.models.pooling import _ContextSums, pool_contexts
from tests.models.test_fast_equals_reference import batch_of


@pytest.mark.parametrize("elements", [1, 200, 2**20])
def test_contexts_are_the_weighted_mean_of_the_tokens(elements, monkeypatch):
    monkeypatch.setitem(pooling.SLICE_ELEMENTS, "cpu", elements)
    torch.manual_seed(0)
    batch = batch_of([20, 31, 12], [4, 6, 0])
    tokens = torch.randn(sum(batch.document_lengths), 8, requires_grad=True)
    attention = torch.rand(sum(batch.entity_counts), 3, max(batch.document_lengths), requires_grad=True)
    expected, token, entity, context = [], 0, 0, 0
    for length, entities, count in zip(batch.document_lengths, batch.entity_counts, batch.context_counts, strict=True):
        first, second = (x[context : context + count] - entity for x in (batch.context_first, batch.context_second))
        rows = attention[entity : entity + entities, :, :length]
        weights = (rows[first] * rows[second]).mean(1)
        weights = weights / (weights.sum(1, keepdim=True) + 1e-5)
        expected.append(weights @ tokens[token : token + length])
        token, entity, context = token + length, entity + entities, context + count
    whole = torch.cat(expected)
    contexts = pool_contexts(tokens, attention, batch)
    torch.testing.assert_close(contexts, whole, atol=1e-5, rtol=1e-5)
    weight = torch.randn_like(whole)
    ours, theirs = (torch.autograd.grad((x * weight).sum(), (tokens, attention)) for x in (contexts, whole))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_gradient_of_the_sums(monkeypatch):
    """Including that of a pair of an entity with itself."""
    monkeypatch.setitem(pooling.SLICE_ELEMENTS, "cpu", 20)
    hidden = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    rows = torch.rand(3, 2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda h, r: _ContextSums.apply(h, r, torch.tensor([1, 5, 4])), (hidden, rows))
