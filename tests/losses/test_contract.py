"""The contract of losses, tested for every registered one. A new loss is covered as soon as its file exists."""

import inspect
import json
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.losses import LOSSES, build, loss_class
from docre.losses.base import ThresholdClassDecision
from docre.tensors import ModelOutput
from tests.losses import slow
from tests.losses.cases import OTHER_PARAMETERS, Case, make_case, make_labels, parameters_for, statistics

PUBLISHED = "aml amtl afl atgl atl balanced_softmax bce hingeabl mean_sat ncrl pemscl sat ssr_pu".split()
every_loss = pytest.mark.parametrize("name", list(LOSSES))
SETTINGS = [*((name, {}) for name in LOSSES), *OTHER_PARAMETERS]
every_setting = pytest.mark.parametrize(("name", "given"), SETTINGS)
EDGES = {
    "all NA": {"kind": "na"},
    "every relation positive": {"kind": "all"},
    "a single pair": {"pairs": 1},
    "a single NA pair": {"pairs": 1, "kind": "na"},
    "two classes": {"relations": 1},
    "two classes, a single positive pair": {"relations": 1, "pairs": 1, "kind": "all"},
}
every_edge = pytest.mark.parametrize("edge", EDGES)


def assert_equals_slow(name: str, case: Case, given: dict[str, Any]) -> None:
    """The loss and its gradient equal those of the slow version."""
    if name not in slow.LOSSES:
        pytest.fail(
            f"loss {name!r} has no independent slow version: add a function to tests/losses/slow.py, under "
            f"@pair_loss({name!r}) or @loss({name!r}), written from the formula"
        )
    parameters = parameters_for(name, case.labels.shape[1], **given)
    shapes = [x.shape for x in case.inputs]

    def value(flat: list[float]) -> float:
        parts = torch.tensor(flat, dtype=torch.float64).split([shape.numel() for shape in shapes])
        logits, head, tail = (part.view(shape).tolist() for part, shape in zip(parts, shapes, strict=True))
        return slow.LOSSES[name](logits, case.labels.tolist(), head, tail, **parameters)

    fast = case.backward()
    at = [x for tensor in case.inputs for x in tensor.flatten().tolist()]
    expected = torch.tensor(slow.gradient(value, at), dtype=torch.float64)
    grad = torch.cat([x.grad.flatten() for x in case.inputs])
    assert fast.item() == pytest.approx(value(at), rel=1e-7, abs=1e-12)
    assert (grad - expected).abs().max() < 1e-7 * max(1, expected.abs().max(), abs(fast))


@every_setting
@pytest.mark.parametrize("seed", range(2))
def test_equals_slow_version(name: str, given: dict[str, Any], seed: int) -> None:
    assert_equals_slow(name, make_case(name, seed=seed, **given), given)


@every_loss
@every_edge
def test_edges_equal_slow_version(name: str, edge: str) -> None:
    assert_equals_slow(name, make_case(name, seed=1, **EDGES[edge]), {})


@every_loss
def test_no_pair_is_zero(name: str) -> None:
    case = make_case(name, pairs=0)
    assert case.backward() == 0
    assert not case.loss.decide(case.output.logits, 4).any()


def extremes(case: Case) -> Case:
    """The same case with logits of 0 and +-1e4."""
    logits = torch.tensor([-1e4, 0.0, 1e4])[torch.randint(3, case.output.logits.shape)]
    leaves = [logits, case.output.head, case.output.tail]
    return Case(case.loss, ModelOutput(*(x.detach().requires_grad_() for x in leaves)), case.labels)


def assert_finite(case: Case) -> Tensor:
    value = case.backward()
    assert torch.isfinite(value)
    for x in case.inputs:
        assert torch.isfinite(x.grad).all()
    return value


def assert_half_precision_is_finite(case: Case, dtype: torch.dtype) -> None:
    """Under autocast the loss equals that in float32, and so does the gradient, within the range of its dtype."""
    half = case.cast(dtype)
    single = half.cast(torch.float32)
    with torch.autocast("cpu", dtype=dtype):
        value = half.backward()
        assert torch.equal(value, assert_finite(single))
    for x, exact in zip(half.inputs, single.inputs, strict=True):
        assert torch.equal(x.grad, exact.grad.to(dtype))


@every_setting
@pytest.mark.parametrize("kind", ["mixed", "na", "all"])
def test_finite_for_extreme_logits(name: str, given: dict[str, Any], kind: str) -> None:
    for seed, shape in enumerate([(7, 5), (1, 5), (7, 1), (1, 1), (60, 20)]):
        case = extremes(make_case(name, *shape, kind, seed, **given)).cast(torch.float32)
        assert_finite(case)
        for dtype in (torch.bfloat16, torch.float16):
            assert_half_precision_is_finite(case, dtype)


@every_loss
def test_finite_where_all_logits_are_equal(name: str) -> None:
    for level in (-1e4, 0.0, 1e4):
        case = make_case(name)
        case.output.logits.data.fill_(level)
        assert_finite(case.cast(torch.float32))


@pytest.mark.parametrize(
    ("name", "given"), [setting for setting in SETTINGS if issubclass(loss_class(setting[0]), ThresholdClassDecision)]
)
def test_threshold_class_losses_see_margins_only(name: str, given: dict[str, Any]) -> None:
    """A constant added to all logits changes nothing, however large."""
    case = make_case(name, **given)
    for constant in (-1e4, 1e4):
        logits, *others = case.inputs
        moved = case.loss(ModelOutput(logits + constant, *others), case.labels)
        assert torch.allclose(moved, case.loss(case.output, case.labels), rtol=1e-9)


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    case = make_case(name, 40, 20)
    assert_half_precision_is_finite(case, dtype)
    half = case.cast(dtype)
    assert half.backward().dtype == half.loss.margins(half.output.logits).dtype == torch.float32
    assert torch.isfinite(half.output.logits.grad).all()


@every_loss
def test_inputs_are_unchanged(name: str) -> None:
    case = make_case(name)
    # Not leaves, since autograd itself would refuse writing into leaves.
    tensors = [x.detach() * 1 for x in case.inputs] + [case.labels]
    before = [(x.clone(), x._version) for x in tensors]
    case.loss(ModelOutput(*tensors[:-1]), case.labels)
    case.loss.decide(tensors[0], 2)
    case.loss.margins(tensors[0])
    for x, (value, version) in zip(tensors, before, strict=True):
        assert torch.equal(x, value)
        assert x._version == version


@every_setting
def test_order_of_pairs_does_not_matter(name: str, given: dict[str, Any]) -> None:
    case, other = make_case(name, pairs=9, **given), make_case(name, pairs=9, **given)
    order = torch.randperm(9)
    other.labels = other.labels[order]
    other.output = ModelOutput(*(x.detach()[order].requires_grad_() for x in other.inputs))
    assert torch.allclose(case.backward(), other.backward(), rtol=1e-12)
    for x, y in zip(case.inputs, other.inputs, strict=True):
        assert torch.allclose(x.grad[order], y.grad, atol=1e-12)
    decided = case.loss.decide(case.output.logits, 2)
    assert torch.equal(decided[order], other.loss.decide(other.output.logits, 2))


def columns(case: Case) -> Tensor:
    """The index of the logits column that holds each relation's score, [R]."""
    outputs = torch.arange(case.loss.num_outputs, dtype=torch.float64)
    return case.loss.scores(outputs[None])[0].long()


@every_setting
def test_order_of_relations_does_not_matter(name: str, given: dict[str, Any]) -> None:
    relations = 7
    case = make_case(name, relations=relations, **given)
    order = torch.randperm(relations)
    counts = statistics(relations)
    permuted = LabelStatistics(counts.pairs, tuple(counts.positives[i] for i in order.tolist()))
    loss = build(name, relations, **(loss_class(name).from_training_data(permuted) | given))
    moved = torch.arange(loss.num_outputs)
    moved[columns(case)] = columns(case)[order]
    logits, *others = (x.detach() for x in case.inputs)
    output = ModelOutput(*(x.requires_grad_() for x in (logits[:, moved], *others)))
    other = Case(loss, output, case.labels[:, order])
    assert torch.allclose(case.backward(), other.backward(), rtol=1e-12)
    assert torch.allclose(case.output.logits.grad[:, moved], other.output.logits.grad, atol=1e-12)
    for top_k in (-1, 2):
        decided = case.loss.decide(case.output.logits, top_k)
        assert torch.equal(decided[:, order], loss.decide(output.logits, top_k))


@every_loss
@pytest.mark.parametrize("relations", [1, 6])
def test_decisions_equal_slow_version(name: str, relations: int) -> None:
    parameters = parameters_for(name, relations)
    for seed, top_k in enumerate((-1, 0, 1, 2, 4, 6, 9)):
        case = make_case(name, 30, relations, seed=seed)
        logits = case.output.logits.detach()
        decided = case.loss.decide(logits, top_k)
        assert decided.dtype == torch.bool
        for row, chosen in zip(logits.tolist(), decided, strict=True):
            expected = slow.decide(name, row, top_k, parameters)
            assert set(chosen.nonzero().flatten().tolist()) == expected


@every_loss
def test_a_score_at_its_threshold_is_not_predicted(name: str) -> None:
    loss = make_case(name).loss
    assert not loss.decide(torch.zeros(3, loss.num_outputs)).any()


@every_loss
def test_margins_are_positive_where_predicted(name: str) -> None:
    case = make_case(name, 50)
    logits = case.output.logits.detach()
    margins = case.loss.margins(logits)
    assert margins.shape == (50, 5)
    assert torch.equal(margins > 0, case.loss.decide(logits))
    assert torch.equal(margins, case.loss.scores(logits) - case.loss.thresholds(logits))


@every_setting
def test_a_calibration_does_not_change_the_loss(name: str, given: dict[str, Any]) -> None:
    """margin_shift applies to decisions only: training a calibrated model further uses the scores without it."""
    case = make_case(name, **given)
    before = case.backward()
    case.loss.margin_shift = torch.full((case.labels.shape[1],), 0.7, dtype=torch.float64)
    assert torch.equal(case.loss(case.output, case.labels), before)


@every_setting
def test_gradient_is_that_of_the_value(name: str, given: dict[str, Any]) -> None:
    case = make_case(name, 4, 3, seed=5, **given)
    assert torch.autograd.gradcheck(lambda *x: case.loss(ModelOutput(*x), case.labels), case.inputs)


@every_loss
def test_labels_may_be_numbers(name: str) -> None:
    case = make_case(name)
    for dtype in (torch.int64, torch.float32):
        assert case.loss(case.output, case.labels.to(dtype)) == case.loss(case.output, case.labels)


@every_loss
def test_wrong_shapes_are_refused(name: str) -> None:
    case = make_case(name)
    with pytest.raises(DocreError, match=r"logits have shape \[6, \d+\], expected"):
        case.loss(ModelOutput(case.output.logits[:, 1:]), case.labels)
    with pytest.raises(DocreError, match=r"labels have shape \[6, 6\], expected \[6, 5\]"):
        case.loss(case.output, make_labels(6, 6))


@every_loss
def test_unknown_parameter_is_refused_by_name(name: str) -> None:
    with pytest.raises(DocreError, match=f"loss '{name}' has no parameter 'alhpa'"):
        build(name, 5, **parameters_for(name, 5, alhpa=1.0))


@every_loss
def test_mistyped_and_missing_parameters_are_refused_by_name(name: str) -> None:
    valid = parameters_for(name, 5)
    for parameter in list(inspect.signature(loss_class(name)).parameters.values())[1:]:
        optional = type(None) in get_args(parameter.annotation)
        for wrong in ("many", float("nan"), -1.0, {}) + (() if optional else (None,)):
            with pytest.raises(DocreError, match=f"loss '{name}', parameter '{parameter.name}'"):
                build(name, 5, **(valid | {parameter.name: wrong}))
        if parameter.default is parameter.empty:
            with pytest.raises(DocreError, match=f"loss '{name}', parameter '{parameter.name}': Field required"):
                build(name, 5, **{k: v for k, v in valid.items() if k != parameter.name})


@every_setting
def test_parameters_are_all_its_state(name: str, given: dict[str, Any]) -> None:
    """A checkpoint stores the parameters of a loss, as text, and its weights if it has some: it has no other state."""
    case = make_case(name, **given)
    parameters = json.loads(json.dumps(parameters_for(name, 5, **given)))
    again = build(name, 5, **parameters)
    again.load_state_dict(case.loss.state_dict())
    assert again(case.output, case.labels) == case.loss(case.output, case.labels)


@every_loss
def test_says_what_it_is(name: str) -> None:
    loss = loss_class(name)
    text = inspect.getdoc(loss) or ""
    assert loss.reference, f"loss {name!r}: give the paper as `reference`"
    assert text.partition("\n")[0].endswith("."), f"loss {name!r}: begin its docstring with a sentence of one line"
    assert "L =" in text, f"loss {name!r}: give its formula in the docstring, after 'L ='"
    for parameter in list(inspect.signature(loss).parameters)[1:]:
        assert parameter in text, f"loss {name!r}: say in its docstring what {parameter!r} is"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_losses_say_when_to_use_them(name: str) -> None:
    for heading in ("Parameters:", "Use it", "Siblings:", "Reference:"):
        assert heading in inspect.getdoc(loss_class(name)), heading


def test_the_published_losses_are_there() -> None:
    assert set(PUBLISHED) <= set(LOSSES)
    assert set(slow.LOSSES) <= set(LOSSES)
    assert {name for name, _ in OTHER_PARAMETERS} <= set(LOSSES)
