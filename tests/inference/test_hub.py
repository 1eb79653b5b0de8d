"""docre push and docre.load("hub:owner/name"), with huggingface_hub's own client and a local stand-in of the hub."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from docre.config.schema import Config
from docre.core import hub
from docre.data.readers.docred import write_docred
from docre.data.schema import LabelSchema
from docre.errors import DocreError
from docre.inference import checkpoint
from docre.inference.card import model_card
from docre.inference.predictor import Predictor
from docre.models import load_tokenizer
from tests.conftest import ROOT
from tests.hub_server import serve_hub
from tests.tiny import RELATIONS, random_documents, tiny_bert

METRICS = {
    "best": {"epoch": 3, "p": 0.5, "r": 0.25, "f1": 1 / 3, "ign_f1": 0.3},
    "test": {"p": 0.4, "r": 0.3, "f1": 0.34285, "ign_f1": 0.31},
    "seed": 66,
    "device": "cpu: a processor",
    "torch": "2.13.0",
    "data": {"data.train file": "0123456789abcdef"},
}


@pytest.fixture
def run(tiny_encoder, tmp_path) -> Path:
    """The folder of a run, with a checkpoint and metrics, beside a file of documents."""
    values = {
        "output": "run",
        "data": {"train": "data/mine/train.json", "test": "data/mine/test.json"},
        "encoder": {"name": "owner/encoder"},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atl"},
    }
    torch.manual_seed(0)
    config, tokenizer = Config.model_validate(values), load_tokenizer(str(tiny_encoder))
    checkpoint.save(Predictor(config, LabelSchema(RELATIONS), tokenizer, tiny_bert()), tmp_path / "run/best")
    (tmp_path / "run/metrics.json").write_text(json.dumps(METRICS))
    write_docred(tmp_path / "documents.json", random_documents(2))
    return tmp_path / "run"


# What a user does, in a process of its own, since huggingface_hub reads HF_ENDPOINT when it is imported.
SESSION = """
import torch, docre
from docre.commands import push
from docre.core import hub

def same(a, b):
    a, b = a.model.state_dict(), b.model.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)

local = docre.load("run")
push.main(["me/model", "--checkpoint", "run"])
first = hub.snapshot("hub:me/model").name
assert same(docre.load("hub:me/model"), local)
assert not any(path.is_symlink() for path in hub.snapshot("hub:me/model").rglob("*"))

local.inference.fitted = {"x": 1.0}  # a checkpoint with a file more, which the next one does not have
docre.inference.checkpoint.save(local, "more")
push.main(["me/model", "--checkpoint", "more"])
assert (hub.snapshot("hub:me/model") / "inference.json").is_file()
with torch.no_grad():
    next(local.model.parameters()).add_(1)
local.inference.fitted = {}
docre.inference.checkpoint.save(local, "changed")
push.main(["me/model", "--checkpoint", "changed"])
assert same(docre.load("hub:me/model"), local) and not same(docre.load(f"hub:me/model@{first}"), local)
assert same(docre.load(f"hub:me/model@{first}"), docre.load("run"))
for name in ("hub:me/none", "hub:me/model@nowhere"):
    try:
        docre.load(name)
    except docre.DocreError as error:
        print(error)
print(first)
"""
OFFLINE = """
import docre
assert docre.load("hub:me/model") and docre.load("hub:me/model@FIRST")
for load in (docre.load, docre.models.load_pretrained):
    try:
        load({docre.load: "hub:me/other"}.get(load, "bert-base-cased"))
    except docre.DocreError as error:
        print(error)
"""


def python(code: str, folder: Path, url: str, **environment: str) -> list[str]:
    """The lines that Python code prints, run in a folder with the hub at this address."""
    mine = {"HF_ENDPOINT": url, "HF_HOME": str(folder / "home"), "HF_TOKEN": "hf_x", "HF_HUB_DISABLE_XET": "1"}
    mine |= {"PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1", "OMP_NUM_THREADS": "1"} | environment
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=os.environ | mine, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_push_load_pin_and_work_offline(run):
    folder = run.parent
    with serve_hub() as server:
        *_, missing, wrong, first = python(SESSION, folder, server.url)
        asked = list(server.requests)
        id_, files = server.repositories["me/model"][-1]
    manifest = json.loads((folder / "changed/manifest.json").read_text())
    assert set(files) == {*manifest, "manifest.json", "README.md"}, "and inference.json is gone again"
    assert files["README.md"].startswith(b"---\nlibrary_name: docre")
    assert first != id_ and sum(request.endswith("model.safetensors") for request in asked) >= 2
    assert not any(request.endswith("README.md") for request in asked), "only what a checkpoint needs is downloaded"
    assert missing.startswith("hub:me/none: the hub has no such repository, or it is private")
    assert wrong == "hub:me/model@nowhere: the repository has no such revision"
    # nobody listens at that address any more
    lines = python(OFFLINE.replace("FIRST", first), folder, server.url)
    for line, name in zip(lines, ("hub:me/other", "encoder 'bert-base-cased'"), strict=True):
        assert line.startswith(f"{name}: the hub ({server.url}) cannot be reached: ")
        assert line.endswith("and it is not in the cache: give the path of a folder that holds a copy instead")


def test_an_unreachable_hub_is_asked_once(run):
    """Not five times for each of several files."""
    with serve_hub() as server:
        code = "from docre.core import hub\nprint(hub.problem(), hub.problem())"
        assert python(code, run.parent, server.url) == ["None None"]
        assert server.requests == ["HEAD /"]
        (line,) = python(code, run.parent, server.url, HF_HUB_OFFLINE="1")
        assert line.startswith("the hub is switched off by HF_HUB_OFFLINE") and server.requests == ["HEAD /"]


@pytest.mark.parametrize("name", ["hub:", "hub:model", "hub:a/b/c", "hub:../..", "hub:a/b@", "hub:a/-b", "hub:a b/c"])
def test_a_name_that_no_repository_has(name):
    with pytest.raises(DocreError, match="^" + name.replace(".", r"\.")):
        hub.parse(name)


def test_names():
    assert hub.parse("hub:owner/name") == ("owner/name", None)
    assert hub.parse("hub:owner/na.me@refs/pr/1") == ("owner/na.me", "refs/pr/1")


def test_the_card_says_what_was_recorded(run):
    scores = {"p": 0.41, "r": 0.3, "f1": 0.35, "ign_f1": 0.3}
    scores["bootstrap"] = {"samples": 10, "intervals": {"f1": {"low": 0.3, "high": 0.4}}}
    card = model_card(run, "me/model", scores, {"shift": 0.25, "relations": ["P1"]})
    front, text = card.removeprefix("---\n").split("---\n", 1)
    (result,) = yaml.safe_load(front)["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "f1", "value": 35.0}] and result["dataset"]["type"] == "mine"
    assert yaml.safe_load(front)["base_model"] == "owner/encoder"
    for part in (
        'docre.load("hub:me/model")',
        "| dev (best epoch) | 50.00 | 25.00 | 33.33 | 30.00 |",
        "| test | 41.00 | 30.00 | 35.00 [30.00, 40.00] | 30.00 |",
        '"shift": 0.25',
        "train: `data/mine/train.json`, SHA-256 0123456789abcdef",
        "5: `P1`, `P2`, `P3`, `P4`, `P5`",
        "seed 66, device cpu: a processor, torch 2.13.0",
        "name: atlop",
    ):
        assert part in text
    assert "| test | 40.00 | 30.00 | 34.28 | 31.00 |" in model_card(run, "me/model")


def test_a_card_without_a_run_claims_no_scores(run):
    (run / "metrics.json").unlink()
    card = model_card(run / "best", "me/model")
    assert "None were recorded with the checkpoint." in card and "model-index" not in card
