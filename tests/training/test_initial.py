"""What a run starts from: another run's weights, and parts that are not trained."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import docre
from docre.commands import train
from docre.config.schema import Training
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.inference import checkpoint
from docre.inference.predictor import Predictor
from docre.losses import LOSSES
from docre.losses.atl import ATL
from docre.training.freeze import freeze
from docre.training.initial import load_initial_weights
from docre.training.objective import Objective
from docre.training.optimizer import build_optimizer
from tests.tiny import RELATIONS, WORDS, random_documents, save_tiny_encoder
from tests.training.test_train import write_config

SMALL = {"epochs": 1, "encoder_lr": 1e-3, "head_lr": 2e-2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(folder / f"{split}.json", random_documents(4, seed=seed))
    return folder


@pytest.fixture(scope="module")
def first(corpus, tiny_encoder, tmp_path_factory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("first")
    train.main(["--config", str(write_config(folder / "c.yaml", corpus, tiny_encoder, training=SMALL))])
    return folder / "run"


def start(folder: Path, corpus: Path, encoder: Path, *overrides: str, **training) -> Path:
    """Train a run with further settings; its folder."""
    path = write_config(folder / "c.yaml", corpus, encoder, training=SMALL | training)
    train.main(["--config", str(path), *overrides])
    return folder / "run"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "best" / "model.safetensors")


@pytest.mark.parametrize("part", ["", "best"])
def test_training_starts_from_the_weights(part, first, corpus, tiny_encoder, tmp_path):
    """With learning rates of 0 it ends with them, too."""
    run = start(tmp_path, corpus, tiny_encoder, initial_weights=str(first / part), encoder_lr=0.0, head_lr=0.0)
    mine, theirs = weights(run), weights(first)
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_what_does_not_fit_is_refused(first, corpus, tiny_encoder, tmp_path):
    def refused(*overrides: str, encoder: Path = tiny_encoder) -> str:
        with pytest.raises(DocreError) as error:
            start(tmp_path, corpus, encoder, *overrides, initial_weights=str(first))
        assert not (tmp_path / "run").exists() and "\n" not in str(error.value)
        return str(error.value)

    where = f"training.initial_weights: {first}/best"
    assert refused("model.head_size=32").startswith(
        f"{where}/model.safetensors: the weights do not fit the model: model.head_extractor.weight is [16, 64], "
        "expected [32, 64]"
    )
    (tmp_path / "rel.json").write_text(json.dumps([{"id": relation} for relation in reversed(RELATIONS)]))
    reordered = refused(f"data.relations={tmp_path}/rel.json")
    assert reordered == f"{where}: its relation 0 is 'P1', that of this run 'P5' (see data.relations)"
    (tmp_path / "rel.json").write_text(json.dumps([{"id": relation} for relation in (*RELATIONS, "P6")]))
    assert "it has 5 relations, this run 6 (see data.relations)" in refused(f"data.relations={tmp_path}/rel.json")
    heads = save_tiny_encoder(tmp_path / "heads", num_attention_heads=2)
    assert refused(encoder=heads) == f"{where}: its encoder's num_attention_heads is 4, that of encoder.name is 2"
    words = save_tiny_encoder(tmp_path / "words", words=WORDS[::-1])
    assert refused(encoder=words) == f"{where}: its tokenizer is not that of encoder.name"
    assert refused(f"training.initial_weights={tmp_path}").endswith(
        ": not a checkpoint (no config.yaml and model.safetensors)"
    )


def test_another_kind_of_encoder_is_refused(first, corpus, tiny_encoder, tmp_path):
    config = json.loads((tiny_encoder / "config.json").read_text())
    predictor = docre.load(first, device="cpu")
    predictor.model.encoder.backbone.config.model_type = "roberta"
    with pytest.raises(DocreError, match=f"its encoder's model_type is '{config['model_type']}', that of"):
        load_initial_weights(predictor, first)


class WithWeight(ATL):
    """A loss with a weight of its own."""

    def __init__(self, num_relations: int) -> None:
        super().__init__(num_relations)
        self.weight = nn.Parameter(torch.ones(3))


def test_the_weights_of_a_loss_go_to_the_same_loss_only(first, tmp_path):
    model = docre.load(first, device="cpu")
    LOSSES.register("weighted")(WithWeight)
    try:
        config = model.config.model_validate(model.config.model_dump() | {"loss": {"name": "weighted"}})
        new = [Predictor(config, model.schema, model.tokenizer, model.model.encoder.backbone) for _ in range(2)]
        load_initial_weights(new[0], first)  # from another loss
        assert torch.equal(new[0].loss.weight, torch.ones(3))
        with torch.no_grad():
            new[0].loss.weight.fill_(2)
        checkpoint.save(new[0], tmp_path / "saved")
        load_initial_weights(new[1], tmp_path / "saved")
        assert torch.equal(new[1].loss.weight, torch.full((3,), 2.0))
        load_initial_weights(model, tmp_path / "saved")
    finally:
        LOSSES.unregister("weighted")


def test_frozen_parts_are_not_trained_and_have_no_dropout(first):
    predictor = docre.load(first, device="cpu")
    freeze(predictor.model, ["encoder"])
    objective = Objective(predictor.model, predictor.loss).train()
    assert objective.training and predictor.model.training and predictor.model.bilinear.training
    assert not any(module.training for module in predictor.model.encoder.modules())
    trained = {id(p) for group in build_optimizer(objective, Training()).param_groups for p in group["params"]}
    head = [p for name, p in predictor.model.named_parameters() if not name.startswith("encoder.")]
    assert trained == {id(p) for p in head}
    hidden = [predictor.model.encoder(predictor.collate(predictor.prepare(random_documents(2))))[0] for _ in range(2)]
    assert torch.equal(*hidden) and not hidden[0].requires_grad
    assert not any(module.training for module in objective.eval().modules())


def test_a_prefix_is_whole_parts_of_a_name():
    model = nn.ModuleDict({"layer": nn.ModuleList(nn.Linear(1, 1) for _ in range(11)), "layers": nn.Linear(1, 1)})
    freeze(model, ["layer.1", "layers.weight"])
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen == ["layer.1.weight", "layer.1.bias", "layers.weight"]


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        (["enc"], "no parameter's name begins with 'enc': the parts of the model are a, b"),
        (["a", "b"], "nothing of the model is left to train"),
    ],
)
def test_wrong_prefixes(prefixes, message):
    model = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Sequential(nn.Linear(1, 1))})
    with pytest.raises(DocreError, match=f"training.freeze: {re.escape(message)}"):
        freeze(model, prefixes)


def test_a_run_with_a_frozen_encoder(first, corpus, tiny_encoder, tmp_path):
    run = start(tmp_path, corpus, tiny_encoder, initial_weights=str(first), freeze=["encoder", "head_extractor"])
    mine, theirs = weights(run), weights(first)
    changed = {name.split(".")[1] for name in theirs if not torch.equal(mine[name], theirs[name])}
    assert changed == {"tail_extractor", "bilinear"}
