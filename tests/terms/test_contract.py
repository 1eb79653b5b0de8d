"""The contract of terms, tested for every registered one. A new term is covered as soon as its file exists."""

from dataclasses import replace

import pytest
import torch

from docre.core.registry import describe
from docre.losses import build
from docre.models import MODELS, Encoder
from docre.tensors import ModelOutput
from docre.terms import TERMS, Term
from docre.training.objective import Objective
from tests.models.test_fast_equals_reference import RELATIONS, random_features
from tests.terms import slow
from tests.terms.cases import collate, make_case
from tests.tiny import tiny_bert

every_term = pytest.mark.parametrize("name", list(TERMS))


@every_term
def test_says_what_it_is(name):
    entry = TERMS[name]
    assert entry.reference and "reference: -" not in describe(name, entry, 0)
    assert "Reference:" in (entry.__doc__ or ""), "the docstring has a 'Reference:'"
    assert TERMS.build(name, {}).over in ("pairs", "labeled", "with_evidence")


@every_term
@pytest.mark.parametrize("seed", range(3))
def test_equals_slow_version(name, seed):
    """Loops over pairs and tokens, written from the formula; gradients too."""
    if name not in slow.TERMS:
        pytest.fail(f"term {name!r} has no independent slow version: add a function {name!r} to tests/terms/slow.py")
    term, output, batch = make_case(name, seed)
    value = term(output, batch)
    value.backward()
    leaves = [x for x in (output.logits, output.attention, *output.auxiliaries.values()) if x is not None]
    leaves = [x for x in leaves if x.requires_grad]
    grads = [torch.zeros_like(x) if x.grad is None else x.grad.clone() for x in leaves]
    for leaf in leaves:
        leaf.grad = None
    expected = slow.TERMS[name](output, batch)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-9)
    expected.backward()
    for leaf, grad in zip(leaves, grads, strict=True):
        slow_grad = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        torch.testing.assert_close(grad, slow_grad, rtol=1e-5, atol=1e-8)


@every_term
def test_nothing_to_compare_is_zero(name):
    """A batch without labels that hold, and one without pairs."""
    term, output, batch = make_case(name, 0)
    assert batch.labels is not None
    empty = replace(batch, labels=torch.zeros_like(batch.labels), evidence=batch.evidence[:0])
    if term.over == "labeled":
        value = term(output, empty)
        assert value.item() == 0
        value.backward()
    no_pairs = collate(random_features([20, 20], [0, 1]))
    none = torch.zeros(0, RELATIONS + 1)
    batch = replace(no_pairs, targets={"logits": none, "attention": torch.zeros(0, 20)})
    auxiliaries = {key: x[:0] for key, x in output.auxiliaries.items()}
    zero = ModelOutput(none.clone().requires_grad_(), attention=torch.zeros(0, 20), auxiliaries=auxiliaries)
    assert term(zero, batch).item() == 0


@every_term
def test_does_not_depend_on_how_a_step_is_split(name):
    """The gradient of a step of four documents, computed at once and document by document."""
    entry = TERMS[name]
    documents = random_features([20, 44, 30, 25], [4, 6, 3, 5], seed=2)
    outputs = RELATIONS + 1
    for i, d in enumerate(documents):
        generator = torch.Generator().manual_seed(i)
        logits = torch.randn(len(d.pairs), outputs, generator=generator)
        attention = torch.rand(len(d.contexts), len(d.input_ids), generator=generator)
        documents[i] = replace(
            d, targets={"logits": logits.numpy(), "attention": (attention / attention.sum(1, keepdim=True)).numpy()}
        )
    torch.manual_seed(0)
    built = (MODELS.build(m, {}, Encoder(tiny_bert()), outputs) for m in MODELS)
    model = next((made for made in built if supports(made, entry, collate(documents))), None)
    if entry.compares_pairs or model is None:
        pytest.skip("compares pairs with each other, or needs a model whose pairs interact")
    objective = Objective(model.eval(), build("atl", RELATIONS))
    objective.terms[name] = TERMS.build(name, {})
    objective.weighted[name] = type("Weight", (), {"weight": 0.5, "from_epoch": 1})()

    def gradient(groups):
        objective.zero_grad()
        counts = [objective.counts(collate(group)) for group in groups]
        totals = {key: sum(c[key] for c in counts) for key in counts[0]}
        total, parts = 0.0, torch.zeros(2)
        for group in groups:
            share, own = objective(collate(group), totals)
            share.backward()
            total += share.item()
            parts += torch.stack(own)
        return total, parts, [p.grad.clone() for p in objective.parameters() if p.grad is not None]

    total, parts, at_once = gradient([documents])
    split_total, split_parts, in_pieces = gradient([[d] for d in documents])
    assert split_total == pytest.approx(total, rel=1e-5)
    assert total == pytest.approx(float(parts[0] + 0.5 * parts[1]), rel=1e-5)
    torch.testing.assert_close(split_parts, parts, rtol=1e-4, atol=1e-6)
    for a, b in zip(in_pieces, at_once, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5 * float(b.abs().max()) + 1e-6)


def supports(model, term: type[Term], batch) -> bool:
    """Whether the model gives everything that a term wants, and its documents do not interact."""
    if model.pairs_interact:
        return False
    output = model.train()(batch, term.wants)
    return all(w in output.auxiliaries or (w == "attention" and output.attention is not None) for w in term.wants)
