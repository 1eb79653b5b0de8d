"""Every loss of the registry trains on the synthetic corpus, and a new one needs one new file and nothing else."""

import json
import sys

import pytest

from docre.commands import train
from docre.config.loading import load_config
from docre.inference import checkpoint
from docre.losses import LOSSES
from tests.conftest import ROOT
from tests.tiny import save_tiny_encoder
from tests.training.test_train import write_config


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A very small encoder that knows the synthetic corpus's words."""
    documents = json.loads((ROOT / "data/synthetic/train.json").read_text())
    words = sorted({word.lower() for document in documents for sentence in document["sents"] for word in sentence})
    folder = tmp_path_factory.mktemp("encoder") / "words"
    return save_tiny_encoder(folder, words=words, num_hidden_layers=2, max_position_embeddings=256)


def trained(folder, encoder, loss: dict, **changes) -> list[float]:
    """One epoch on a part of the synthetic corpus; the mean losses of each 5 steps."""
    documents = json.loads((ROOT / "data/synthetic/train.json").read_text())
    (folder / "train.json").write_text(json.dumps(documents[:100]))
    data = {"train": str(folder / "train.json"), "relations": str(ROOT / "data/synthetic/rel_info.json")}
    keys = {"training": {"epochs": 1, "encoder_lr": 1e-3, "head_lr": 1e-2}, "logging": {"every": 5}}
    train.main(
        ["--config", str(write_config(folder / "c.yaml", folder, encoder, data=data, loss=loss, **keys, **changes))]
    )
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in log if line["event"] == "step"]


@pytest.mark.parametrize("name", list(LOSSES))
def test_trains_for_an_epoch_and_loads_again(name, encoder, tmp_path):
    losses = trained(tmp_path, encoder, {"name": name})
    assert losses[-1] < losses[0]
    saved = load_config(tmp_path / "run" / "best" / "config.yaml").loss
    taken = {"amtl": "groups", "ssr_pu": "priors"}.get(name)
    assert taken is None or taken in saved.parameters
    assert type(checkpoint.load(tmp_path / "run", device="cpu").loss) is LOSSES[name]


MINE = '''
"""A loss of a user's own."""

from torch import Tensor
from torch.nn.functional import logsigmoid

from docre.losses.base import LOSSES, ThresholdClassLoss


@LOSSES.register("of_my_own")
class Mine(ThresholdClassLoss):
    """L = - sum_p log sigmoid(weight * d_p) - sum_n log sigmoid(-d_n)."""

    def __init__(self, num_relations: int, weight: float = 1.0) -> None:
        super().__init__(num_relations)
        self.weight = weight

    def pair_losses(self, scores: Tensor, threshold: Tensor, labels: Tensor) -> Tensor:
        margins = scores - threshold
        return -logsigmoid(self.weight * margins).where(labels, logsigmoid(-margins)).sum(1)
'''


def test_a_loss_of_ones_own_is_one_file(encoder, tmp_path, monkeypatch):
    package = tmp_path / "somebodys_losses"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    loss = {"name": "of_my_own", "weight": 2.0}
    try:
        losses = trained(tmp_path, encoder, loss, plugins=["somebodys_losses.mine"])
        assert losses[-1] < losses[0]
        assert checkpoint.load(tmp_path / "run", device="cpu").loss.weight == 2.0
    finally:  # other tests run over the registry
        LOSSES.unregister("of_my_own")
        for module in ("somebodys_losses.mine", "somebodys_losses"):
            sys.modules.pop(module)
