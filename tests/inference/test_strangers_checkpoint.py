"""Untrusted checkpoints: loading runs no code that comes with them, takes no more memory than their weights, and
reports every defect in one line."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import docre
from docre.audit.suggestions import Suggestions
from docre.commands import analyze, audit, calibrate, convert, evaluate, predict, report, stats, train
from docre.config.schema import Config
from docre.core.manifests import digest, write_manifest
from docre.data.readers.base import READERS
from docre.data.readers.docred import write_docred
from docre.data.schema import LabelSchema
from docre.errors import DocreError
from docre.inference import checkpoint
from docre.inference.predictor import Predictor
from docre.losses import LOSSES
from docre.models import load_tokenizer
from tests.conftest import ROOT
from tests.tiny import RELATIONS, random_documents, tiny_bert

CODE = "from pathlib import Path\nPath({marker!r}).touch()\n"


@pytest.fixture
def model(tiny_encoder, tmp_path) -> Path:
    """A checkpoint folder in `incoming`, with a file of documents beside it."""
    values = {
        "output": "run",
        "data": {"train": "train.json"},
        "encoder": {"name": "tiny", "averaged_layers": 2},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atl"},
    }
    torch.manual_seed(0)
    backbone = tiny_bert()
    predictor = Predictor(
        Config.model_validate(values), LabelSchema(RELATIONS), load_tokenizer(str(tiny_encoder)), backbone
    )
    folder = tmp_path / "incoming" / "model"
    checkpoint.save(predictor, folder)
    write_docred(tmp_path / "documents.json", random_documents(4))
    return folder


def change_json(path: Path, **values) -> None:
    """Set keys of the object in a JSON file; the caller rewrites the manifest, as an attacker would."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change_config(folder: Path, **values) -> None:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))
    write_manifest(folder)


def count(predictions) -> int:
    return len(list(chain.from_iterable(predictions)))


COMMANDS: dict[str, Callable[[Path, Path], tuple]] = {
    "predict": lambda m, d: (predict, "--checkpoint", m, "--input", d, "--output", d.with_name("r.json")),
    "evaluate": lambda m, d: (evaluate, "--checkpoint", m, "--data", d),
    "analyze": lambda m, d: (analyze, "--checkpoint", m, "--data", d, "--output", d.with_name("analysis")),
    "calibrate": lambda m, d: (calibrate, "--checkpoint", m, "--data", d, "--output", d.with_name("c.json")),
    "report": lambda m, d: (report, m, "--data", d, "--output", d.with_name("report.html")),
}


def run_command(name: str, model: Path, *more: str) -> None:
    command, *arguments = COMMANDS[name](model, model.parent.parent / "documents.json")
    command.main([*map(str, arguments), *more])


@pytest.fixture
def evil(model, monkeypatch) -> Path:
    """A module that comes with the checkpoint and is named in its config; returns the file that running it creates."""
    marker = model.parent.parent / "ran"
    (model.parent / "evil.py").write_text(CODE.format(marker=str(marker)))
    change_config(model, plugins=["incoming.evil"])
    monkeypatch.syspath_prepend(model.parent.parent)
    yield marker
    for name in ("incoming.evil", "incoming"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_imports_what_a_checkpoint_names(name, model, evil):
    """A checkpoint that names plugins but needs none of them loads without importing them."""
    run_command(name, model)
    assert not evil.exists()
    run_command(name, model, "--plugins", "incoming.evil")
    assert evil.exists()


def test_a_run_that_goes_on_imports_what_its_command_names_only(model, evil, tiny_encoder, tmp_path):
    """The saved config of a foreign run folder is only compared with; its plugins are not imported."""
    write_docred(tmp_path / "train.json", random_documents(4))
    keys = ["data.train=" + str(tmp_path / "train.json"), "training.epochs=1", f"output={tmp_path / 'run'}"]
    own = tmp_path / "own.yaml"
    values = yaml.safe_load((model / "config.yaml").read_text()) | {"plugins": []}
    values["encoder"]["name"] = str(tiny_encoder)
    own.write_text(yaml.safe_dump(values))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(values | {"plugins": ["incoming.evil"]}))
    with pytest.raises(DocreError, match=r"plugins was \['incoming.evil'\], now it is \[\]"):
        train.main(["--config", str(own), *keys])
    assert not evil.exists()


PLUGIN = """
from docre.losses.atl import ATL
from docre.losses.base import LOSSES
from docre.data.readers.base import READERS
from docre.data.readers.docred import read_docred

LOSSES.register("strangers_loss")(type("Theirs", (ATL,), {}))
READERS.register("strangers_reader")(lambda path: read_docred(path))
"""


@pytest.fixture
def needed(model, monkeypatch):
    """Makes the checkpoint need the plugin `strangers_plugin`."""
    (model.parent.parent / "strangers_plugin.py").write_text(PLUGIN)
    change_config(model, plugins=["strangers_plugin"], loss={"name": "strangers_loss"})
    monkeypatch.syspath_prepend(model.parent.parent)
    yield
    sys.modules.pop("strangers_plugin", None)
    for registry, name in ((LOSSES, "strangers_loss"), (READERS, "strangers_reader")):
        if name in registry:
            registry.unregister(name)


def test_a_plugin_that_is_needed_is_asked_for_by_name(model, needed):
    with pytest.raises(DocreError, match=r"config.yaml: unknown loss 'strangers_loss'.* --plugins strangers_plugin"):
        docre.load(model)
    assert "strangers_plugin" not in sys.modules
    assert docre.load(model, plugins=["strangers_plugin"]).loss.num_outputs == len(RELATIONS) + 1


def test_readers_of_plugins_can_be_named_everywhere(model, needed, tmp_path):
    documents, plugins = str(tmp_path / "documents.json"), ["--plugins", "strangers_plugin"]
    reader = ["--reader", "strangers_reader"]
    with pytest.raises(DocreError, match="unknown reader"):
        stats.main([documents, *reader])
    stats.main([documents, *reader, *plugins])
    convert.main(["--input", documents, "--output", str(tmp_path / "converted.json"), *reader, *plugins])
    assert docre.read(tmp_path / "converted.json") == docre.read(documents)
    run_command("predict", model, *plugins)
    gold = ["--predictions", str(tmp_path / "r.json"), "--gold", documents]
    evaluate.main([*gold, *reader, *plugins])
    Suggestions(documents, digest(Path(documents)), "strangers_reader", []).save(tmp_path / "decisions.json")
    audit.main(["--apply", str(tmp_path / "decisions.json"), "--output", str(tmp_path / "corrected.json"), *plugins])


@pytest.mark.parametrize("wrong", ["no_such_module", "a b", ""])
def test_a_plugin_that_does_not_exist_is_one_line(wrong, model):
    with pytest.raises(DocreError, match=r"plugins: (cannot import|expected the name of a Python module)"):
        docre.load(model, plugins=[wrong])


@pytest.mark.parametrize("key", ["auto_map", "_attn_implementation", "attn_implementation", "quantization_config"])
def test_keys_that_name_code_or_kernels_are_dropped(key, model, monkeypatch):
    """Such keys cause neither a prompt nor an import, and the checkpoint loads as it would without them."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked at the prompt"))
    marker = model.parent / "ran"
    (model / "encoder" / "evil.py").write_text(CODE.format(marker=str(marker)) + "class Evil: pass\n")
    value = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"} if key == "auto_map" else "kernels/evil"
    change_json(model / "encoder" / "config.json", **{key: value})
    change_json(model / "encoder" / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})
    write_manifest(model)
    assert docre.load(model).model.encoder.packed and not marker.exists()
    change_json(model / "encoder" / "config.json", model_type="evil")
    write_manifest(model)
    with pytest.raises(DocreError, match=r"encoder/config.json: transformers has no model of type 'evil'"):
        docre.load(model)
    assert not marker.exists()


LARGE = [
    {"hidden_size": 40_000},
    {"num_hidden_layers": 3_000_000},
    {"vocab_size": 10**9},
    {"vocab_size": 10**30},
    {"intermediate_size": 10**9},
    {"max_position_embeddings": 10**9},
    {"type_vocab_size": 10**9},
    {"model_type": "deberta-v2", "max_position_embeddings": 10**9, "position_biased_input": False},
    {"num_hidden_layers": -1},
    {"num_hidden_layers": 3},
]


@pytest.mark.parametrize("sizes", LARGE, ids=str)
def test_sizes_are_compared_with_the_weights_before_memory_is_taken(sizes, model):
    change_json(model / "encoder" / "config.json", **sizes)
    write_manifest(model)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(DocreError, match=r"the weights do not fit|encoder/config.json: not a|averaged_layers"):
        docre.load(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 2**10
    assert time.process_time() - start < 10


def test_relations_and_the_head_are_compared_with_the_weights_too(model):
    (model / "relations.json").write_text(json.dumps([{"id": f"P{i}"} for i in range(50_000)]))
    write_manifest(model)
    message = r"model.safetensors: the weights do not fit the model: model.bilinear.weight is \[6, 64\], expected"
    with pytest.raises(DocreError, match=rf"{message} \[50001, 64\]"):
        docre.load(model)
    (model / "relations.json").write_text(json.dumps([{"id": f"P{i}"} for i in range(5)]))
    change_config(model, model={"name": "atlop", "head_size": 65536, "block_size": 1024})
    with pytest.raises(DocreError, match=r"the weights do not fit the model: model.head_extractor.weight is"):
        docre.load(model)


def test_tensors_that_are_missing_or_too_many_are_named(model):
    weights = load_file(model / "model.safetensors")
    for changed, message in (
        ({**weights, "model.more": torch.zeros(1)}, "it has no model.more"),
        (
            {name: x for name, x in weights.items() if name != "model.bilinear.bias"},
            r"model.bilinear.bias \[6\] is mis",
        ),
    ):
        save_file(changed, model / "model.safetensors")
        write_manifest(model)
        with pytest.raises(DocreError, match=f"the weights do not fit the model: {message}"):
            docre.load(model)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused_by_name(value, model):
    weights = load_file(model / "model.safetensors")
    weights["model.head_extractor.weight"][3, 4] = value
    save_file(weights, model / "model.safetensors")
    write_manifest(model)
    with pytest.raises(DocreError, match=r"model.safetensors: model.head_extractor.weight has values that are not fin"):
        docre.load(model)


def test_logits_that_are_not_finite_are_an_error_that_names_the_document(model):
    predictor = docre.load(model)
    documents = random_documents(3)
    with torch.no_grad():  # finite weights, of which one word's are so large that its document overflows
        word = predictor.featurize([documents[1]])[0].input_ids[3]
        predictor.model.encoder.backbone.embeddings.word_embeddings.weight[word] = 3e38
    with pytest.raises(DocreError, match=r"document 'doc \d': the model's logits are not finite"):
        predictor.predict(documents)


DAMAGE = {
    "config.yaml": ["", "[1, 2]", "a: [", "x" * (2**20 + 1)],
    "encoder/config.json": ["[]", "", '{"model_type": 3}', '"x"'],
    "encoder/tokenizer_config.json": ["[]", "3", "", '{"tokenizer_class": 3}'],
    "encoder/tokenizer.json": ["[]", "", "{}"],
    "relations.json": ["", "[]", "[1]", "{}"],
    "model.safetensors": ["", "x" * 100],
}


@pytest.mark.parametrize(("name", "content"), [(name, text) for name, texts in DAMAGE.items() for text in texts])
def test_damage_is_one_line(name, content, model):
    (model / name).write_text(content)
    write_manifest(model)
    with pytest.raises(DocreError) as found:
        docre.load(model)
    assert "\n" not in str(found.value) and len(str(found.value)) < 2000


@pytest.mark.parametrize(
    "values",
    [{"hidden_size": "x"}, {"num_attention_heads": 0}, {"hidden_act": "magic"}, {"layer_norm_eps": []}],
    ids=str,
)
def test_an_encoder_config_that_makes_no_model_is_one_line(values, model):
    change_json(model / "encoder" / "config.json", **values)
    write_manifest(model)
    with pytest.raises(DocreError, match=r"(config.json|model.safetensors): "):
        docre.load(model)


@pytest.mark.parametrize("name", ["model.safetensors", "relations.json", "encoder/tokenizer.json", "encoder/more.txt"])
def test_links_out_of_the_folder_are_refused(name, model, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    path = model / name
    if path.exists():
        path.rename(elsewhere)
    else:
        elsewhere.write_text("secret")
    path.symlink_to(elsewhere)
    write_manifest(model)
    with pytest.raises(DocreError, match="a link out of the folder, which is not followed"):
        docre.load(model)


def test_links_inside_the_folder_and_to_it_are_fine(model, tmp_path):
    (model / "weights").symlink_to(model / "model.safetensors")
    write_manifest(model)
    (tmp_path / "link").symlink_to(model)
    assert docre.load(tmp_path / "link").schema.relations == RELATIONS


def test_a_runs_best_checkpoint_is_no_link_out_of_it(model, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best").symlink_to(model)
    with pytest.raises(DocreError, match="best: a link out of the folder"):
        docre.load(tmp_path / "run")


def test_the_report_of_a_strangers_checkpoint_reads_no_file_that_it_names(model, tmp_path):
    """Neither the test set that its config names, nor files of a run folder whose digests do not match."""
    secret = tmp_path / "secret.json"
    write_docred(secret, random_documents(2))
    change_config(model, data={"train": str(secret), "test": str(secret)})
    run = tmp_path / "run"
    run.mkdir()
    model.rename(run / "best")
    for metrics in ({}, {"data": {}}, {"data": {"data.test file": "0" * 16}}, {"data": []}):
        (run / "metrics.json").write_text(json.dumps(metrics))
        for folder in (run, run / "best"):
            with pytest.raises(DocreError, match="give documents with --data"):
                report.main([str(folder), "--output", str(tmp_path / "report.html")])
    assert not (tmp_path / "report.html").exists()


def test_a_calibration_is_for_the_weights_that_it_was_made_for(model, tiny_encoder, tmp_path):
    run_command("calibrate", model)
    calibration = ["--calibration", str(tmp_path / "c.json")]
    run_command("predict", model, *calibration)
    weights = load_file(model / "model.safetensors")
    weights["model.bilinear.bias"] += 1e-3
    save_file(weights, model / "model.safetensors")
    write_manifest(model)
    for name in ("predict", "evaluate"):
        with pytest.raises(DocreError, match=r"c.json: made for other weights: .* --force"):
            run_command(name, model, *calibration)
        run_command(name, model, *calibration, "--force")
    change_json(tmp_path / "c.json", weights=None)
    with pytest.raises(DocreError, match=r"c.json: made for weights that it does not name"):
        run_command("predict", model, *calibration)


def test_what_is_loaded_is_what_was_saved(model):
    """The checks leave no tensor on the meta device, and none with its initial random values."""
    predictor = docre.load(model)
    saved = load_file(model / "model.safetensors")
    loaded = checkpoint.modules_with_weights(predictor.model, predictor.loss).state_dict()
    assert saved.keys() == loaded.keys() and all(torch.equal(saved[name], loaded[name]) for name in saved)
    assert not any(buffer.is_meta for buffer in predictor.model.buffers())
    assert np.isfinite([p.margin for p in chain.from_iterable(predictor.predict(random_documents(3)))]).all()


def test_the_command_line_says_it_in_one_line(model):
    """The command line shows no traceback, exits with code 2, writes nothing, and runs no foreign code."""
    marker = model.parent.parent / "ran"
    (model / "evil.py").write_text(CODE.format(marker=str(marker)))
    change_config(model, plugins=["incoming.model.evil"], loss={"name": "theirs"})
    arguments = ["--checkpoint", "incoming/model", "--input", "documents.json", "--output", "r.json"]
    done = subprocess.run(
        [sys.executable, "-m", "docre.predict", *arguments],
        cwd=model.parent.parent,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "--plugins incoming.model.evil" in done.stderr
    assert not marker.exists() and not (model.parent.parent / "r.json").exists()
