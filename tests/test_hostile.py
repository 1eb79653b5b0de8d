"""Hostile input: documents, submissions and configs with any damage give a result or one clear line, never a traceback;
nothing that a file holds is run, and no title is a path.

DOCRE_EXAMPLES=10000 .venv/bin/python -m pytest tests/test_hostile.py runs more of the generated ones.
"""

import ast
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import huggingface_hub.constants
import pytest
import yaml
from accelerate import Accelerator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docre.commands import predict
from docre.config.loading import load_config, parse_yaml, to_yaml
from docre.config.schema import Config
from docre.data.readers.docred import read_docred, to_json, write_docred
from docre.data.schema import LabelSchema
from docre.errors import DocreError
from docre.evaluation import Evaluator, read_submission, train_facts, write_submission
from docre.inference import checkpoint
from docre.inference.predictor import Predictor
from docre.models import load_pretrained, load_tokenizer
from docre.training.corpus import data_warnings, read_corpus, with_counted_loss_parameters
from docre.training.loop import Trainer
from tests.conftest import ROOT
from tests.data.strategies import JSON, damaged
from tests.tiny import RELATIONS, random_documents, tiny_bert

EXAMPLES = int(os.environ.get("DOCRE_EXAMPLES", "100"))
fuzz = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))


def base_config(folder: Path, encoder: Path) -> dict:
    return {
        "output": str(folder / "run"),
        "data": {split: str(folder / f"{split}.json") for split in ("train", "dev", "test")},
        "encoder": {"name": str(encoder), "averaged_layers": 2},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atgl", "alpha": 60.0},
        "training": {"epochs": 1, "batch_size": 1, "encoder_lr": 1e-3, "save_every": 3, "on_nan": "skip"},
        "evaluation": {"top_k": 4, "max_pairs_per_batch": 100},
        "logging": {"every": 2},
        "plugins": [],
        "seed": 5,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(folder / f"{split}.json", random_documents(2, seed=seed, entities=3, sentences=2))
    return folder


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder):
    return load_tokenizer(str(tiny_encoder))


@pytest.fixture(autouse=True, scope="module")
def offline():
    """No look at the hub for an encoder of any name."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    yield
    huggingface_hub.constants.HF_HUB_OFFLINE = before


def one_line(error: DocreError) -> None:
    """The message is one line that a terminal takes."""
    assert str(error) and "\n" not in str(error)
    str(error).encode("utf-8", "backslashreplace")


def damage_bytes(data: st.DataObject, content: bytes) -> bytes:
    """Some bytes changed, or the end cut off."""
    content = content[: data.draw(st.integers(0, len(content)), label="cut")] if data.draw(st.booleans()) else content
    changed = bytearray(content)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3)):
        if changed:
            changed[place % len(changed)] = value
    return bytes(changed)


def use(config: Config, tokenizer, encoder: Path) -> None:
    """All that a run does with its input before it trains; the encoder is another, as small."""
    corpus = read_corpus(config)
    facts = train_facts(corpus.train)
    for documents in (corpus.dev, corpus.test):
        if any(document.triples is not None for document in documents):
            Evaluator(documents, facts)
    config = with_counted_loss_parameters(config, corpus)
    if config.encoder.name != str(encoder):
        load_tokenizer(config.encoder.name)
        load_pretrained(config.encoder.name)
    predictor = Predictor(config, corpus.schema, tokenizer, tiny_bert())
    features = {split: predictor.featurize(getattr(corpus, split)) for split in ("train", "dev", "test")}
    for some in features.values():
        for part in predictor.limits.split_batch(some):
            predictor.collate(part)
    assert all("\n" not in line for line in data_warnings(corpus, features, config))
    trainer = Trainer(predictor, features["train"], Accelerator(cpu=True))
    next(trainer.feed.steps(0))


@fuzz
@given(data=st.data())
def test_any_documents(data, folder, tokenizer, tiny_encoder):
    """As training, dev or test documents."""
    split = data.draw(st.sampled_from(["train", "dev", "test"]))
    value = [to_json(document) for document in random_documents(2, entities=3, sentences=2)]
    for _ in range(data.draw(st.integers(1, 3))):
        value = data.draw(damaged(value))
    content = json.dumps(value).encode()
    path = folder / "damaged.json"
    path.write_bytes(damage_bytes(data, content) if data.draw(st.integers(0, 3)) == 0 else content)
    values = base_config(folder, tiny_encoder)
    values["data"][split] = str(path)
    try:
        use(Config.model_validate(values), tokenizer, tiny_encoder)
    except DocreError as error:
        one_line(error)


@fuzz
@given(data=st.data())
def test_any_submission(data, tmp_path_factory):
    """As JSON or in a zip, scored and written again."""
    gold = random_documents(2)
    evaluator = Evaluator(gold, train_facts(gold))
    value = [{"title": "doc 0", "h_idx": 0, "t_idx": 1, "r": "P1", "evidence": [0]}, {"title": "x", "h_idx": 9}]
    for _ in range(data.draw(st.integers(1, 3))):
        value = data.draw(damaged(value))
    content = json.dumps(value).encode()
    name = data.draw(st.sampled_from(["s.json", "s.zip"]))
    if name == "s.zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("result.json", content)
        content = buffer.getvalue()
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(damage_bytes(data, content) if data.draw(st.integers(0, 2)) == 0 else content)
    try:
        predictions = read_submission(path)
    except DocreError as error:
        one_line(error)
        return
    json.dumps(evaluator(predictions).to_json())
    write_submission(path, predictions)
    assert read_submission(path) == predictions


@fuzz
@given(data=st.data())
def test_any_config(data, folder, tokenizer, tiny_encoder):
    """As YAML, with any value in any place; what is valid is used."""
    value = base_config(folder, tiny_encoder)
    for _ in range(data.draw(st.integers(1, 2))):
        value = data.draw(damaged(value))
    run_config(
        yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"), folder, tokenizer, tiny_encoder
    )


@fuzz
@given(data=st.data())
def test_any_config_text(data, folder, tokenizer, tiny_encoder):
    """As YAML, with any damage to the text."""
    text = yaml.safe_dump(base_config(folder, tiny_encoder)).encode()
    run_config(damage_bytes(data, text), folder, tokenizer, tiny_encoder)


@fuzz
@given(data=st.data())
def test_any_override(data, folder, tokenizer, tiny_encoder):
    """key=value on the command line."""
    keys = ["seed", "training.epochs", "training.batch_size", "loss.alpha", "model.head_size", "output", "plugins", "x"]
    key = data.draw(st.sampled_from(keys) | st.text(max_size=5))
    value = data.draw(st.text(max_size=8) | JSON.map(lambda value: json.dumps(value)))
    text = yaml.safe_dump(base_config(folder, tiny_encoder)).encode()
    run_config(text, folder, tokenizer, tiny_encoder, [f"{key}={value}"])


# What the tests above have found, or nearly: (YAML text that is put behind a valid config).
FOUND = [
    'output: "\\0"',
    'output: "\\ud800"',
    "output: ''",
    "extends: [1]",
    "plugins: ['']",
    "plugins: ['.x']",
    "plugins: ['os', 'a b']",
    "seed: 4294967296",
    "training: {epochs: " + "9" * 400 + "}",
    "training: {encoder_lr: .inf}",
    "training: {encoder_lr: .nan}",
    "training: {batch_size: 1" + "0" * 30 + "}",
    "training: {workers: 1" + "0" * 30 + "}",
    "evaluation: {batch_size: 1" + "0" * 30 + "}",
    "data: {train: train.json, max_tokens: 1" + "0" * 30 + "}",
    "model: {name: atlop, head_size: 1" + "0" * 30 + ", block_size: 1}",
    "model: {name: atlop, head_size: 1000000000, block_size: 1}",
    "loss: {name: atgl, alpha: 2020-01-01}",
    "loss: {name: atgl, alpha: 1e400}",
    "loss: {name: atgl, 3: 4}",
    "loss: !!binary aGVsbG8=",
    "? [1]\n: 2",
    "1: 2",
    "seed: 2020-99-99",
    "encoder: {name: '" + "x" * 5000 + "'}",
    "encoder: {name: 'a/b/c'}",
    "encoder: {name: 'package:'}",
    "encoder: {name: 'package:os/../..'}",
]


@pytest.mark.parametrize("text", FOUND)
def test_configs_that_were_found(text, folder, tokenizer, tiny_encoder):
    values = base_config(folder, tiny_encoder)
    key = text.split(":")[0]
    values.pop(key, None)
    run_config((yaml.safe_dump(values) + text).encode(), folder, tokenizer, tiny_encoder)


def run_config(text: bytes, folder: Path, tokenizer, encoder: Path, overrides: list[str] | None = None) -> None:
    path = folder / "damaged.yaml"
    path.write_bytes(text)
    try:
        config = load_config(path, overrides or [])
        assert load_text(to_yaml(config)) == config
        use(config, tokenizer, encoder)
    except DocreError as error:
        one_line(error)
    assert not (folder / "run").exists()


def load_text(text: str) -> Config:
    return Config.model_validate(parse_yaml(text, "again"))


LAUGHS = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
MERGES = [f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
ITSELF = ["a: &a [*a]", "a: &a {b: *a}", "data: &d\n  train: *d"]


@pytest.mark.parametrize("text", ["\n".join(["a0: &a0 x", *LAUGHS]), "\n".join(["a0: &a0 {x: 1}", *MERGES]), *ITSELF])
def test_aliases_do_not_grow_without_limit(text):
    with pytest.raises(DocreError, match="line 1: not valid YAML: more than 10000 values"):
        parse_yaml(text, "f.yaml")


def test_aliases_are_fine():
    assert parse_yaml("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}", "f") == {
        "a": {"x": 1},
        "b": {"x": 1},
        "c": {"x": 1, "y": 2},
    }


def test_half_characters_in_labels_and_titles_are_refused(tmp_path):
    (document,) = random_documents(1)
    for change in ({"title": "\ud800"}, {"labels": [{"h": 0, "t": 1, "r": "\\\udfff"}]}):
        (tmp_path / "d.json").write_text(json.dumps([to_json(document) | change]))
        with pytest.raises(DocreError, match=r"not valid JSON: .* surrogate in string"):
            read_docred(tmp_path / "d.json")


TITLES = ["../../escape", "/tmp/docre_escape", "a/b", "..", "", ".", "~", "\0", "con\nx", "$(touch x)", "x" * 500]


def test_titles_are_never_paths(tiny_encoder, tmp_path):
    """Documents with titles that would lead elsewhere are predicted, and the one file that was asked for is written."""
    config = Config.model_validate(base_config(tmp_path, tiny_encoder))
    model = Predictor(config, LabelSchema(RELATIONS), load_tokenizer(str(tiny_encoder)), tiny_bert())
    inner = tmp_path / "a" / "b"
    checkpoint.save(model, inner / "best")
    documents = [to_json(d) | {"title": t} for d, t in zip(random_documents(len(TITLES)), TITLES, strict=True)]
    (inner / "in.json").write_text(json.dumps(documents))
    before = set(tmp_path.rglob("*"))
    output = inner / "result.json"
    predict.main(["--checkpoint", str(inner), "--input", str(inner / "in.json"), "--output", str(output)])
    assert set(tmp_path.rglob("*")) - before == {output} and not Path("/tmp/docre_escape").exists()
    assert {entry["title"] for entry in json.loads(output.read_text())} <= set(TITLES)


class Payload:
    """What a hostile pickle does."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_nothing_in_an_encoders_folder_is_run(tiny_encoder, tmp_path):
    """Neither a pickle of weights nor code that comes with a model."""
    marker = tmp_path / "ran"
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_bytes((tiny_encoder / "config.json").read_bytes())
    (weights / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(marker)))
    code = tmp_path / "code"
    code.mkdir()
    (code / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}}))
    (code / "evil.py").write_text(f"from pathlib import Path\nPath({str(marker)!r}).touch()\nclass Evil: pass\n")
    for folder in (weights, code):
        with pytest.raises(DocreError, match="cannot be loaded"):
            load_pretrained(str(folder))
    assert not marker.exists()


FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


@pytest.mark.parametrize("path", sorted((ROOT / "docre").rglob("*.py")), ids=lambda path: path.name)
def test_no_module_loads_pickle_or_runs_what_it_reads(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not FORBIDDEN & {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in FORBIDDEN
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "yaml.unsafe_load", "yaml.full_load", "np.load"), called
            if called == "torch.load":  # which reads only tensors then, and mends no name
                assert "weights_only=True" in map(ast.unparse, node.keywords)
            assert not called.endswith((".extractall", ".extract")) and "unpack_archive" not in called
            if called in ("yaml.load", "yaml.load_all"):
                assert [ast.unparse(argument) for argument in node.args[1:]] == ["Loader"]
            for keyword in node.keywords:
                if keyword.arg in ("trust_remote_code", "allow_pickle", "shell"):
                    assert ast.unparse(keyword.value) == "False"
