"""Properties of single losses."""

from math import log

import pytest
import torch
from torch import Tensor

from docre.commands.losses import main
from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.losses import LOSSES, build, loss_class
from docre.losses.base import keep_best
from docre.losses.pemscl import contrastive_term, cosines
from docre.losses.ssr_pu import LARGEST_PRIOR
from docre.tensors import ModelOutput
from tests.losses import slow
from tests.losses.cases import make_case


def test_amtl_groups_by_frequency_in_the_published_proportions() -> None:
    counts = [(37 * r) % 101 for r in range(96)]
    groups = loss_class("amtl").from_training_data(LabelStatistics(1000, tuple(counts)))["groups"]
    assert [len(group) for group in groups] == [10, 20, 46, 20]
    assert [counts[r] for group in groups for r in group] == sorted(counts, reverse=True)
    assert build("amtl", 96, groups=groups).num_outputs == 100


@pytest.mark.parametrize("relations", [1, 2, 3, 5, 65])
def test_amtl_groups_any_number_of_relations(relations: int) -> None:
    groups = loss_class("amtl").from_training_data(LabelStatistics(10, (1,) * relations))["groups"]
    assert [r for group in groups for r in group] == list(range(relations))
    assert all(groups)
    build("amtl", relations, groups=groups)


@pytest.mark.parametrize("groups", [[[0, 1]], [[0, 1], [2, 2]], [[0, 1], [2], []], [[0, 1, 2, 3]], [[-1, 0, 1]], []])
def test_amtl_refuses_groups_that_are_no_partition(groups: list[list[int]]) -> None:
    with pytest.raises(DocreError, match=r"parameter 'groups': expected non-empty lists.* 0 \.\. 2 once, got"):
        build("amtl", 3, groups=groups)


def test_amtl_limits_each_group_by_itself() -> None:
    loss = build("amtl", 4, groups=[[3, 0], [1, 2]])
    logits = torch.tensor([[0.0, 10.0, 1.0, 12.0, 13.0, 2.0]])
    assert loss.decide(logits, 1).tolist() == [[False, False, True, True]]


def test_the_best_are_taken_among_the_predicted() -> None:
    """With separate thresholds a relation with a high score may not be predicted; it does not count for top_k."""
    scores = torch.tensor([[9.0, 1.0, 3.0, 2.0]])
    assert keep_best(torch.tensor([[False, True, True, True]]), scores, 2).tolist() == [[False, False, True, True]]


def test_amtl_with_one_group_is_atl() -> None:
    case = make_case("atl")
    amtl = build("amtl", 5, groups=[[0, 1, 2, 3, 4]], threshold_divisor=1.0)
    assert torch.allclose(amtl(case.output, case.labels), case.loss(case.output, case.labels))


def test_siblings_without_their_additions_are_sat() -> None:
    case = make_case("sat")
    for name, parameters in (
        ("ncrl", {"shift": 0.0, "regularize": False, "eps": 1e-30}),
        ("pemscl", {"positive_entropy": 0.0, "negative_entropy": 0.0, "contrastive": 0.0}),
    ):
        same = build(name, 5, **parameters)
        assert torch.allclose(same(case.output, case.labels), case.loss(case.output, case.labels))


def test_afl_with_a_small_gamma_has_a_finite_gradient_far_above_the_threshold() -> None:
    logits = torch.tensor([[0.0, 200.0]], requires_grad=True)
    build("afl", 1, gamma=0.1)(ModelOutput(logits), torch.tensor([[True]])).backward()
    assert torch.isfinite(logits.grad).all()


def test_hingeabl_is_zero_where_all_keep_the_margin() -> None:
    logits = torch.tensor([[0.0, 6.0, -6.0]], requires_grad=True)
    value = build("hingeabl", 2)(ModelOutput(logits), torch.tensor([[True, False]]))
    value.backward()
    assert value == 0
    assert not logits.grad.any()


def test_ncrl_stops_pulling_what_is_certain() -> None:
    logits = torch.tensor([[0.0, -4.0, -2.0, -30.0]], requires_grad=True)
    build("ncrl", 3, regularize=False)(ModelOutput(logits), torch.tensor([[False, False, True]])).backward()
    # sigma(-4) < shift = 0.05 < sigma(-2), and sigma(-30) < eps.
    assert (logits.grad[0, 1:] != 0).tolist() == [False, True, False]


def test_ncrl_refuses_an_eps_that_float32_takes_for_zero() -> None:
    with pytest.raises(DocreError, match="parameter 'eps'"):
        build("ncrl", 3, eps=1e-60)


def test_ssr_pu_counts_priors() -> None:
    statistics = LabelStatistics(200, (2, 0, 100))
    assert loss_class("ssr_pu").from_training_data(statistics) == {"priors": [0.01, 0.0, 0.5]}
    assert loss_class("ssr_pu").from_training_data(LabelStatistics(0, (0,))) == {"priors": [0.0]}


def test_ssr_pu_refuses_wrong_priors() -> None:
    with pytest.raises(DocreError, match="parameter 'priors': got 2, expected 3"):
        build("ssr_pu", 3, priors=[0.1, 0.2])
    with pytest.raises(DocreError, match=r"parameter 'priors\.1': Input should be less than or equal to 1, got 2\.0"):
        build("ssr_pu", 2, priors=[0.1, 2.0])


@pytest.mark.parametrize("prior", [0.0, 1 / 3, 0.5, 0.995, 1.0])
def test_ssr_pu_is_finite_for_any_prior(prior: float) -> None:
    case = make_case("ssr_pu", relations=1, priors=[prior])
    assert torch.isfinite(case.backward())
    assert torch.isfinite(case.output.logits.grad).all()


def test_ssr_pu_raises_priors_by_an_offset() -> None:
    """A relation without a label in the training data has a weight of sqrt(e pi), which is 0 without an offset."""
    logits, labels = torch.tensor([[0.0, -300.0], [0.0, -0.25]], dtype=torch.float64), torch.tensor([[True], [False]])
    for offset in (0.0, 1e-9):
        value = build("ssr_pu", 1, priors=[0.0], prior_ratio=1.0, prior_offset=offset)(ModelOutput(logits), labels)
        assert value.item() == pytest.approx(offset**0.5 * 0.25 * 300.25**2, rel=1e-4)
    assert torch.isfinite(build("ssr_pu", 1, priors=[1.0], prior_offset=0.5)(ModelOutput(logits), labels))


def test_ssr_pu_clamps_the_true_share() -> None:
    """The assumed true share is 0.99 for priors above 0.99 / e, and the prior itself for priors above 0.99."""
    logits, labels = torch.tensor([[0.0, 1.0], [0.0, -2.0]], dtype=torch.float64), torch.tensor([[True], [False]])
    for prior, true_share in ((0.5, LARGEST_PRIOR), (0.995, 0.995)):
        below, above = 0.25 * torch.tensor([1.25, -1.75]) ** 2, 0.25 * 0.75**2
        risk1 = (1 - prior) * below[1] - (true_share - prior) * below[0]
        expected = risk1 + (true_share * (1 - true_share)) ** 0.5 * above if risk1 >= 0 else -risk1
        value = build("ssr_pu", 1, priors=[prior])(ModelOutput(logits), labels)
        assert value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_ssr_pu_turns_a_negative_risk_around() -> None:
    logits, labels = torch.tensor([[0.0, 6.0], [0.0, -0.25]], dtype=torch.float64), torch.tensor([[True], [False]])
    value = build("ssr_pu", 1, priors=[0.25])(ModelOutput(logits), labels).item()
    assert value == pytest.approx(0.5 * 0.25 * 6.25**2)
    assert value == pytest.approx(slow.LOSSES["ssr_pu"](logits.tolist(), labels.tolist(), None, None, [0.25]))


def representations(head: Tensor, tail: Tensor) -> Tensor:
    """The grouped outer products as explicit vectors of length 1."""
    features = (head.unsqueeze(3) * tail.unsqueeze(2)).flatten(1)
    return features / features.norm(dim=1, keepdim=True)


def test_pemscl_cosines_are_those_of_the_outer_products() -> None:
    torch.manual_seed(0)
    head, tail = (torch.randn(9, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    anchors, weights = torch.tensor([1, 4, 8]), torch.randn(3, 9, dtype=torch.float64)
    features = representations(head, tail)
    expected = features[anchors] @ features.T
    assert torch.allclose(cosines(head, tail, anchors), expected)
    grads = [torch.autograd.grad((x * weights).sum(), (head, tail)) for x in (cosines(head, tail, anchors), expected)]
    for fast, slow_ in zip(*grads, strict=True):
        assert torch.allclose(fast, slow_)


def test_pemscl_pair_without_partner_is_pushed_from_the_others() -> None:
    """Only the one pair that is not NA has a term; in it the maximum, its similarity with itself, has no gradient."""
    similarities = torch.tensor([[1.0, 0.5, -0.5]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[True], [False], [False]])
    value = contrastive_term(similarities, torch.tensor([0]), labels, temperature=0.5, base_temperature=2.0)
    value.backward()
    others = torch.tensor([1.0, -1.0], dtype=torch.float64)
    assert value.item() == pytest.approx(0.25 * (others.exp().sum().log().item() - 2) / 3)
    assert similarities.grad[0, 0] == 0
    assert torch.allclose(similarities.grad[0, 1:], 0.25 / 3 / 0.5 * others.softmax(0))


def test_pemscl_needs_representations_for_its_contrastive_term() -> None:
    output, labels = ModelOutput(torch.zeros(2, 4)), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(DocreError, match="contrastive term needs a model that gives pair representations"):
        build("pemscl", 3)(output, labels)
    value = build("pemscl", 3, contrastive=0.0)(output, labels)
    assert value.item() == pytest.approx(3 * log(2) + log(2))


def test_pemscl_is_finite_for_empty_representations() -> None:
    """Entities cut off by the length limit are zero vectors."""
    case = make_case("pemscl")
    for x in case.inputs[1:]:
        x.data[:3] = 0
    assert torch.isfinite(case.backward())
    assert all(torch.isfinite(x.grad).all() for x in case.inputs)


def test_the_list_of_losses_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    blocks = capsys.readouterr().out.strip().split("\n\n")
    assert [block.partition(":")[0] for block in blocks] == list(LOSSES)
    by_name = dict(zip(LOSSES, blocks, strict=True))
    assert by_name["atgl"].splitlines() == [
        "atgl: One weighted softmax cross-entropy over the relations and TH.",
        "    parameters: alpha = 16.5",
        "    reference: ATGL paper, eq. 6",
    ]
    assert "parameters: priors (from the training data), prior_ratio = 3.0," in by_name["ssr_pu"]
    assert "parameters: none" in by_name["atl"]


def test_na_takes_a_place_in_balanced_softmax():
    """As DocuNet published it: where NA is among the two highest classes, one relation fewer is predicted."""
    logits = torch.tensor([[9.0, 1, 2, 3], [9, 1, -2, -3], [0, 1, 2, 3], [9, -1, -1, -1]])
    published, repaired = (build("balanced_softmax", 3, na_takes_a_place=na) for na in (True, False))
    expected = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0]]).bool()
    assert torch.equal(published.decide(logits, 2), expected)
    assert repaired.decide(logits, 2)[0].tolist() == [False, True, True]
    assert torch.equal(published.decide(logits), repaired.decide(logits))
