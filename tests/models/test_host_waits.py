"""On a GPU the host runs ahead of the device, and must not wait for values that the device has yet to compute.

No GPU is needed to see that it does not: "meta" tensors have shapes but no values, so that whatever needs a value
(`item`, `nonzero`, a boolean index, `torch.bincount`, ...) is an error with them. Here they take the way of a GPU.
"""

import re
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from docre import tensors
from docre.losses import LOSSES
from docre.models import MODELS, Encoder
from docre.models.entity_map import pair_cells
from docre.models.vaediff import UNTRAINED
from docre.tensors import ModelOutput, integers_on, occurrences
from docre.terms import TERMS
from docre.training.objective import Objective
from tests.conftest import ROOT
from tests.losses.cases import make_case as loss_case
from tests.models.small import small_sizes
from tests.models.test_fast_equals_reference import BATCHES, RELATIONS, batch_of
from tests.terms.cases import make_case as term_case
from tests.tiny import tiny_bert

# What needs the labels of the batch to know a shape: docs/scaling.md tells why.
WAITING_LOSSES, WAITING_TERMS = {"pemscl"}, {"contrastive", "evidence"}


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Meta tensors count as those of a GPU, and the list returned gets what is copied to the device in such a way that
    the host waits."""
    copied = []
    make, make_like, move = torch.tensor, torch.Tensor.new_tensor, torch.Tensor.to

    def tensor(values, **options):
        if torch.device(options.get("device") or "cpu").type != "cpu":
            copied.append(values)
        return make(values, **options)

    def new_tensor(self, values, **options):
        copied.append(values)
        return make_like(self, values, **options)

    def to(self, *given, non_blocking=False, **options):
        result = move(self, *given, **options)
        if self.device != result.device and not non_blocking:
            copied.append(self)
        return result

    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(torch, "tensor", tensor)
    monkeypatch.setattr(torch.Tensor, "new_tensor", new_tensor)
    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    monkeypatch.setattr(tensors, "GPUS", ("meta",))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    return copied


NEEDS_VALUES = {
    "item": lambda x: x.sum().item(),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "bool": lambda x: bool(x.any()),
    "nonzero": lambda x: x.nonzero(),
    "boolean index": lambda x: x[x > 0],
    "bincount": lambda x: torch.bincount(x, minlength=9),
    "repeat_interleave": lambda x: x.repeat_interleave(x),
    "unique": lambda x: x.unique(),
}


@pytest.mark.parametrize("name", NEEDS_VALUES)
def test_what_needs_values_is_an_error(name):
    """So the tests below can fail."""
    with pytest.raises((RuntimeError, NotImplementedError)):
        NEEDS_VALUES[name](torch.ones(3, dtype=torch.long, device="meta"))


@pytest.mark.parametrize("batch_name", ["several lengths", "many windows", "a single entity"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", list(MODELS))
def test_no_model_waits_in_training(name, layers, batch_name, as_on_a_gpu):
    loss = LOSSES.build("atl", {}, RELATIONS)
    model = MODELS.build(name, small_sizes(name), Encoder(tiny_bert(), layers), loss.num_outputs)
    objective = Objective(model, loss).train()
    batch = batch_of(*BATCHES[batch_name])
    totals = objective.counts(batch)
    objective.to("meta")
    batch = batch.to("meta", non_blocking=True)
    as_on_a_gpu.clear()  # the weights
    value, _ = objective(batch, totals)
    value.backward()
    assert as_on_a_gpu == []


@pytest.mark.parametrize(
    ("name", "sizes", "waiting"),
    [
        ("kd_docre", {"drop_prob": 0.5}, False),
        ("vaediff", {"generator": UNTRAINED}, True),
        ("docunet", {"norm_over": "real_cells"}, True),
    ],
)
def test_which_settings_of_models_wait(name, sizes, waiting, as_on_a_gpu):
    loss = LOSSES.build("atl", {}, RELATIONS)
    model = MODELS.build(name, small_sizes(name) | sizes, Encoder(tiny_bert(), 1), loss.num_outputs).train()
    batch = batch_of(*BATCHES["several lengths"])
    if name == "vaediff":
        model.load_generator(batch.labels).to("meta")
    model.to("meta")
    batch = batch.to("meta", non_blocking=True)
    as_on_a_gpu.clear()
    assert waits(lambda: model(batch, model.offers)) == waiting
    assert as_on_a_gpu == []


@pytest.mark.parametrize("name", list(LOSSES))
def test_which_losses_wait(name, as_on_a_gpu):
    case = loss_case(name)
    loss = case.loss.to("meta")
    output = ModelOutput(*(leaf(x) for x in (case.output.logits, case.output.head, case.output.tail)))

    def step():
        loss(output, labels).backward()
        loss.decide(output.logits, 4), loss.scores(output.logits), loss.margins(output.logits)

    labels = case.labels.to("meta", non_blocking=True)
    as_on_a_gpu.clear()
    assert waits(step) == (name in WAITING_LOSSES)
    assert as_on_a_gpu == []


@pytest.mark.parametrize("name", list(TERMS))
def test_which_terms_wait(name, as_on_a_gpu):
    term, output, batch = term_case(name, 0)
    moved = ModelOutput(
        leaf(output.logits),
        *(None if x is None else leaf(x) for x in (output.head, output.tail, output.attention)),
        auxiliaries={key: leaf(x) for key, x in output.auxiliaries.items()},
    )
    term, batch = term.to("meta"), batch.to("meta", non_blocking=True)
    as_on_a_gpu.clear()
    assert waits(lambda: term(moved, batch).backward()) == (name in WAITING_TERMS)
    assert as_on_a_gpu == []


def leaf(x: torch.Tensor) -> torch.Tensor:
    """A meta tensor like this one, which requires a gradient if it can."""
    return x.detach().to("meta").requires_grad_(x.is_floating_point())


def waits(step) -> bool:
    """Whether a step with meta tensors needs a value."""
    try:
        step()
    except (RuntimeError, NotImplementedError) as error:
        assert "meta" in str(error).lower()
        return True
    return False


@pytest.mark.parametrize("size", [5, 9])
def test_occurrences_are_those_that_bincount_finds(size):
    index = torch.tensor([0, 4, 4, 2, 0, 4])
    assert torch.equal(occurrences(index, size), torch.bincount(index, minlength=size))
    assert occurrences(index[:0], size).tolist() == [0] * size


def test_integers_go_to_a_gpu_through_pinned_memory(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: calls.append("pinned") or x)
    monkeypatch.setattr(torch.Tensor, "to", lambda x, *given, **named: calls.append((given, named)) or x)
    gpu = torch.device("cuda")
    assert integers_on(gpu, ((1, 2), (3, 4))).tolist() == [[1, 2], [3, 4]]
    assert calls == ["pinned", ((gpu,), {"non_blocking": True})]


def test_batches_are_pinned_and_copied_without_waiting(monkeypatch):
    """Every tensor of a batch, those of a teacher included."""
    batch = batch_of(*BATCHES["two windows"])
    batch = replace(batch, targets={"logits": torch.zeros(len(batch.pair_head), RELATIONS)})
    tensors = {id(x) for x in [*vars(batch).values(), *batch.targets.values()] if isinstance(x, torch.Tensor)}
    pinned, copied = [], []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: pinned.append(id(x)) or x)
    monkeypatch.setattr(torch.Tensor, "to", lambda x, *_, **named: copied.append((id(x), named)) or x)
    batch.pin_memory().to("cuda", non_blocking=True)
    assert set(pinned) == tensors
    assert {x for x, _ in copied} == tensors and all(named == {"non_blocking": True} for _, named in copied)


def test_cells_of_pairs_on_the_way_of_a_gpu(as_on_a_gpu):
    batch = batch_of(*BATCHES["several lengths"])
    assert pair_cells(batch.to("meta"), batch.entity_counts).shape == batch.pair_head.shape


def test_the_documentation_lists_lines_that_exist():
    text = (ROOT / "docs/scaling.md").read_text()
    rows = re.findall(r"^\| `(docre/[\w/]+\.py)` \| `(.+?)` \|", text, re.MULTILINE)
    assert len(rows) > 5
    for path, line in rows:
        assert line in [code.strip() for code in (ROOT / path).read_text().splitlines()], (path, line)
