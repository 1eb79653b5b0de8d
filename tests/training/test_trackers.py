"""Experiment trackers, through accelerate: a stand-in for Weights & Biases, and what is not there."""

import sys
import types

import accelerate.tracking
import pytest
from accelerate.utils import LoggerType

from docre.config.loading import load_config
from docre.config.schema import Logging
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.training import trackers
from docre.training.launch import train
from tests.tiny import random_documents
from tests.training.test_train import write_config


@pytest.fixture
def wandb(monkeypatch) -> list[tuple]:
    """What a stand-in for the package wandb is told."""
    told = []
    run = types.SimpleNamespace(
        log=lambda values, step=None: told.append(("log", values, step)), finish=lambda: told.append(("finish",))
    )
    module = types.ModuleType("wandb")
    module.init = lambda **options: told.append(("init", options)) or run
    module.config = types.SimpleNamespace(update=lambda values, **_: told.append(("config", values)))
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [LoggerType.WANDB])
    return told


def test_a_run_is_tracked_from_its_config_to_its_scores(wandb, tiny_encoder, tmp_path):
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(tmp_path / f"{split}.json", random_documents(4, seed=seed))
    config = write_config(tmp_path / "c.yaml", tmp_path, tiny_encoder, logging={"wandb": "my-project", "every": 1})
    train(load_config(config, ["training.epochs=2"]))
    kinds = [kind for kind, *_ in wandb]
    assert kinds[:2] == ["init", "config"] and kinds[-1] == "finish" and kinds.count("init") == 1
    options, values = wandb[0][1], wandb[1][1]
    assert (options["project"], options["name"], options["dir"]) == ("my-project", "run", str(tmp_path / "run"))
    assert values["training.epochs"] == 2 and values["loss.alpha"] == 60.0
    logged = {name: step for kind, *rest in wandb if kind == "log" for name, step in [*((n, rest[1]) for n in rest[0])]}
    assert logged["step/loss"] == 2 and {"epoch/f1", "test/f1"} <= logged.keys()


def test_each_tracker_is_asked_for_once(wandb):
    assert trackers.tracker_names(Logging()) == []
    assert trackers.tracker_names(Logging(trackers=["wandb"], wandb="p")) == ["wandb"]


def test_trackers_that_are_not_there_are_one_line(monkeypatch):
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [])
    with pytest.raises(DocreError, match=r"logging.trackers: wandb is not installed: pip install wandb"):
        trackers.tracker_names(Logging(wandb="my-project"))
    with pytest.raises(DocreError, match=r"logging.trackers: unknown tracker 'wanbd': expected some of .*tensorboard"):
        trackers.tracker_names(Logging(trackers=["wanbd"]))
