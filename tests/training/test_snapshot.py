"""A trainer into which the captured state of another is restored continues exactly as that one."""

import json
import random

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from docre.config.schema import Config
from docre.data.schema import LabelSchema
from docre.errors import DocreError
from docre.inference.predictor import Predictor
from docre.models import load_tokenizer
from docre.training.loop import Trainer
from docre.training.snapshot import capture, restore
from docre.training.state import State, load_state, save_state
from tests.tiny import RELATIONS, random_documents, tiny_bert


def trainer(encoder, seed: int, scaler: bool = False, **training) -> Trainer:
    torch.manual_seed(seed)
    config = Config.model_validate(
        {
            "output": "o",
            "data": {"train": "t"},
            "encoder": {"name": "e"},
            "model": {"name": "atlop", "head_size": 16, "block_size": 4},
            "loss": {"name": "atl"},
            "training": {"epochs": 3, "batch_size": 2} | training,
        }
    )
    predictor = Predictor(config, LabelSchema(RELATIONS), load_tokenizer(str(encoder)), tiny_bert())
    built = Trainer(predictor, predictor.featurize(random_documents(8)), Accelerator(cpu=True))
    if scaler:
        built.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    return built


def steps(trained: Trainer, count: int) -> None:
    """Train for `count` steps."""
    trained.objective.train()
    for batches, totals in trained.feed.steps(0, trained.progress.done):
        if count:
            trained._step(totals, batches)
            trained.progress.step, trained.progress.done = trained.progress.step + 1, trained.progress.done + 1
            count -= 1


def test_a_restored_trainer_continues_exactly(tiny_encoder, tmp_path):
    first = trainer(tiny_encoder, 1)
    steps(first, 2)
    random.random(), np.random.normal()  # numpy draws normal numbers in pairs, and keeps the second
    save_state(tmp_path, 2, capture(first))
    after = torch.rand(1), random.random(), np.random.normal(), np.random.rand()
    restore(second := trainer(tiny_encoder, 2), load_state(tmp_path / "state-2"))
    assert (torch.rand(1), random.random(), np.random.normal(), np.random.rand()) == after
    for either in (first, second):
        torch.manual_seed(5)
        steps(either, 2)
    one, other = capture(first), capture(second)
    assert one.tensors.keys() == other.tensors.keys() and one.values == other.values
    assert one.values["place"] == {"step": 4, "epoch": 0, "done": 4, "skipped": 0}
    for name, tensor in one.tensors.items():
        assert torch.equal(tensor, other.tensors[name]), name


def test_the_state_includes_the_gradient_scaler(tiny_encoder):
    first, second = trainer(tiny_encoder, 1, scaler=True), trainer(tiny_encoder, 1, scaler=True)
    first.accelerator.scaler.scale(torch.zeros(1))  # initializes the scaler
    first.accelerator.scaler.update(4.0)
    state = capture(first)
    restore(second, State(state.tensors, json.loads(json.dumps(state.values))))
    assert second.accelerator.scaler.state_dict() == first.accelerator.scaler.state_dict()


def test_a_state_of_another_model_is_refused(tiny_encoder):
    state = capture(trainer(tiny_encoder, 1))
    del state.tensors["objective.model.bilinear.bias"]
    with pytest.raises(DocreError, match=r"does not fit this run .* start over with --restart"):
        restore(trainer(tiny_encoder, 1), state)


def test_a_state_of_another_version_is_refused(tiny_encoder, tmp_path):
    save_state(tmp_path, 0, State({"x": torch.zeros(1)}, {"format": 0}))
    with pytest.raises(DocreError, match="state-0: saved by another version of docre; --restart starts over"):
        load_state(tmp_path / "state-0")
