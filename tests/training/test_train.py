"""A tiny run from YAML to checkpoint: its files, what they say, and that loading gives the same predictions."""

import json
import zipfile
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import torch
import yaml

import docre
from docre.commands import evaluate, predict, train
from docre.config.loading import load_config
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.evaluation import Evaluator
from docre.inference import checkpoint
from docre.models import precision
from docre.training import launch
from tests.tiny import random_documents


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, split in enumerate(("train", "dev", "test")):
        write_docred(folder / f"{split}.json", random_documents(12, seed=seed))
    write_docred(folder / "unlabeled.json", random_documents(5, seed=9, labeled=False))
    return folder


def write_config(path: Path, corpus: Path, encoder: Path, **changes) -> Path:
    """A config of a tiny run into `path`'s folder."""
    values = {
        "output": str(path.parent / "run"),
        "data": {split: str(corpus / f"{split}.json") for split in ("train", "dev", "test")},
        "encoder": {"name": str(encoder), "averaged_layers": 2},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atgl", "alpha": 60.0},
        "training": {"epochs": 3, "encoder_lr": 1e-3, "head_lr": 2e-2},
        "logging": {"every": 2},
    }
    values |= changes
    values["training"] = {"precision": "fp32"} | values["training"]  # the same numbers on every machine
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def run(corpus, tiny_encoder, tmp_path_factory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    train.main(["--config", str(write_config(folder / "tiny.yaml", corpus, tiny_encoder))])
    return folder / "run"


def test_files_of_a_run(run):
    left = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"config.yaml", "log.jsonl", "metrics.json", "result.json", "result.zip"} <= left
    assert {"best/config.yaml", "best/model.safetensors", "best/relations.json", "best/encoder/config.json"} <= left
    assert not [name for name in left if ".tmp" in name or ".old" in name]
    with zipfile.ZipFile(run / "result.zip") as archive:
        assert archive.namelist() == ["result.json"]
        assert archive.read("result.json") == (run / "result.json").read_bytes()


def test_metrics_and_log_agree(run):
    metrics = json.loads((run / "metrics.json").read_text())
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    epochs = [line for line in log if line["event"] == "epoch"]
    assert [line["f1"] for line in epochs] == [epoch["f1"] for epoch in metrics["epochs"]]
    assert metrics["best"]["f1"] == max(epoch["f1"] for epoch in metrics["epochs"])
    assert len([line for line in log if line["event"] == "step"]) == 6  # 3 steps an epoch, logged at 2 and 3
    assert all(0 <= metrics["test"][key] <= 1 for key in ("p", "r", "f1", "ign_f1"))
    assert metrics["epochs"][-1]["loss"] < metrics["epochs"][0]["loss"]


def test_resolved_config_is_saved_and_loads(run):
    config = load_config(run / "config.yaml")
    assert config == load_config(run / "best" / "config.yaml")
    assert config.loss.parameters == {"alpha": 60.0} and config.training.batch_size == 4


def test_loaded_checkpoint_predicts_the_same(run, corpus, tmp_path):
    model = docre.load(run, device="cpu")
    documents = docre.read(corpus / "test.json")
    found = list(chain.from_iterable(model.predict(documents)))
    written = json.loads((run / "result.json").read_text())
    assert found and [(p.title, p.head, p.tail, p.relation) for p in found] == [
        (entry["title"], entry["h_idx"], entry["t_idx"], entry["r"]) for entry in written
    ]
    assert all(p.margin > 0 for p in found)
    predict.main(["--checkpoint", str(run), "--input", str(corpus / "test.json"), "--output", str(tmp_path / "r.json")])
    assert (tmp_path / "r.json").read_bytes() == (run / "result.json").read_bytes()


def test_predictions_do_not_depend_on_the_batch(run, corpus):
    model = docre.load(run / "best", device="cpu")
    documents = docre.read(corpus / "test.json")
    together, alone = model.predict(documents), [model.predict([document])[0] for document in documents]
    for some, others in zip(together, alone, strict=True):
        assert [(p.head, p.tail, p.relation) for p in some] == [(p.head, p.tail, p.relation) for p in others]
        for p, q in zip(some, others, strict=True):
            assert p.score == pytest.approx(q.score, abs=1e-4) and p.margin == pytest.approx(q.margin, abs=1e-4)


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_predictions_do_not_depend_on_the_limits(name, run, corpus):
    """Batches of any size, and documents in pieces of any number of pairs: the same triples and, up to rounding, the
    same margins. In bf16 rounding is coarser, and a triple may differ whose margin is no larger than that."""
    documents, close = docre.read(corpus / "test.json"), 1e-4 if name == "fp32" else 0.25

    def margins(**limits: int) -> dict[tuple, float]:
        changes = [f"evaluation.{key}={value}" for key, value in limits.items()]
        model = checkpoint.load(run, "cpu", [f"training.precision={name}", "evaluation.top_k=-1", *changes])
        return {(p.title, p.head, p.tail, p.relation): p.margin for p in chain.from_iterable(model.predict(documents))}

    expected = margins()
    for batch, pairs in ((1, 1), (3, 7), (64, 50), (64, 10**6), (2, 3)):
        found = margins(batch_size=batch, max_pairs_per_batch=pairs)
        assert all(found[key] == pytest.approx(expected[key], abs=close) for key in found.keys() & expected.keys())
        assert all(max(found.get(key, 0), expected.get(key, 0)) < close for key in found.keys() ^ expected.keys())
        assert name == "bf16" or found.keys() == expected.keys()


def test_scores_and_margins_are_those_of_the_logits(run, corpus):
    model = docre.load(run, device="cpu")
    (document,) = docre.read(corpus / "test.json")[:1]
    features = model.featurize([document])
    with torch.inference_mode():
        logits = model.model.eval()(model.collate(features)).logits
    predicted = {(p.head, p.tail, p.relation): p for p in model.predict([document])[0]}
    for (head, tail), row in zip(document.candidate_pairs, logits.tolist(), strict=True):
        above = sorted(((s, r) for r, s in enumerate(row[1:]) if s > row[0]), reverse=True)[:4]
        for score, relation in above:
            p = predicted.pop((head, tail, model.schema.relations[relation]))
            assert p.score == pytest.approx(score, abs=1e-5)
            assert p.margin == pytest.approx(score - row[0], abs=1e-5)
    assert not predicted


def test_evaluate_checkpoint_and_predictions_agree(run, corpus, tmp_path):
    common = ["--train", str(corpus / "train.json"), "--json"]
    gold = str(corpus / "test.json")
    evaluate.main(["--checkpoint", str(run), "--data", gold, *common, str(tmp_path / "a.json")])
    evaluate.main(["--predictions", str(run / "result.zip"), "--gold", gold, *common, str(tmp_path / "b.json")])
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert first == second and first.pop("gold_file") == gold
    assert first == json.loads((run / "metrics.json").read_text())["test"]
    evaluate.main(["--checkpoint", str(run), "--data", gold, "--json", str(tmp_path / "c.json")])
    assert json.loads((tmp_path / "c.json").read_text())["ign_f1"] is None


def test_predict_without_labels_as_zip(run, corpus, tmp_path):
    output = tmp_path / "result.zip"
    predict.main(["--checkpoint", str(run), "--input", str(corpus / "unlabeled.json"), "--output", str(output)])
    with zipfile.ZipFile(output) as archive:
        assert isinstance(json.loads(archive.read("result.json")), list)


def test_bf16_on_a_cpu(run, corpus, tiny_encoder, tmp_path):
    """A run in bf16 rounds, and learns the same; its checkpoint predicts what the run itself predicted."""
    config = write_config(tmp_path / "bf16.yaml", corpus, tiny_encoder)
    train.main(["--config", str(config), "training.precision=bf16"])
    exact, rounded = (json.loads((r / "metrics.json").read_text()) for r in (run, tmp_path / "run"))
    assert rounded["precision"] == "bf16" and exact["precision"] == "fp32"
    for a, b in zip(exact["epochs"], rounded["epochs"], strict=True):
        assert a["loss"] != b["loss"] and b["loss"] == pytest.approx(a["loss"], rel=0.05)
    predict.main(
        [
            "--checkpoint",
            str(tmp_path / "run"),
            "--input",
            str(corpus / "test.json"),
            "--output",
            str(tmp_path / "r.json"),
        ]
    )
    assert (tmp_path / "r.json").read_bytes() == (tmp_path / "run" / "result.json").read_bytes()


@pytest.mark.skipif(torch.cuda.is_available(), reason="for CPUs")
def test_auto_is_bf16_on_a_cpu_where_it_pays(corpus, tiny_encoder, tmp_path, monkeypatch):
    config = write_config(tmp_path / "auto.yaml", corpus, tiny_encoder)
    for pays, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(precision, "bf16_pays", lambda pays=pays: pays)
        changes = ["training.precision=auto", "training.epochs=1", f"output={tmp_path / expected}"]
        train.main(["--config", str(config), *changes])
        assert json.loads((tmp_path / expected / "metrics.json").read_text())["precision"] == expected
        with docre.load(tmp_path / expected, "cpu")._autocast():
            assert torch.is_autocast_enabled("cpu") == pays


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 is for GPUs")
def test_fp16_needs_a_gpu(corpus, tiny_encoder, tmp_path):
    config = write_config(tmp_path / "fp16.yaml", corpus, tiny_encoder)
    with pytest.raises(DocreError, match=r"training\.precision: fp16 needs a GPU"):
        train.main(["--config", str(config), "training.precision=fp16"])
    assert not (tmp_path / "run").exists()


def test_fp16_checkpoint_predicts_in_fp32_on_a_cpu(run, corpus):
    documents = docre.read(corpus / "test.json")
    plain, half = (docre.load(run, "cpu", [f"training.precision={name}"]) for name in ("fp32", "fp16"))
    assert half.predict(documents) == plain.predict(documents)


def test_how_a_checkpoint_predicts_may_be_changed(run, corpus, tmp_path, capsys):
    made = tmp_path / "r.json"
    command = ["--checkpoint", str(run), "--input", str(corpus / "test.json"), "--output", str(made)]
    predict.main([*command, "evaluation.max_pairs_per_batch=3", "evaluation.batch_size=2"])
    assert made.read_bytes() == (run / "result.json").read_bytes()
    model = docre.load(run, "cpu", ["evaluation.top_k=1", "evaluation.max_pairs_per_batch=3"])
    assert (model.config.evaluation.top_k, model.limits.pairs) == (1, 3)
    found = [(p.title, p.head, p.tail) for p in chain.from_iterable(model.predict(docre.read(corpus / "test.json")))]
    assert found and len(found) == len(set(found))
    for wrong, message in (
        ("loss.alpha=3", r"loss\.alpha: fixed by training"),
        ("evaluation.batch_size=0", r"evaluation\.batch_size: input should be greater"),
        ("evaluation.size=1", r"unknown key 'evaluation\.size'"),
        ("top_k", "expected key=value"),
    ):
        with pytest.raises(DocreError, match=message):
            predict.main([*command[:-1], str(tmp_path / "none.json"), wrong])
    assert not (tmp_path / "none.json").exists()
    with pytest.raises(SystemExit) as ended:
        evaluate.main(["--predictions", str(made), "--gold", str(corpus / "test.json"), "evaluation.top_k=1"])
    assert ended.value.code == 2 and "key=value needs --checkpoint" in capsys.readouterr().err


def test_same_seed_same_run(run, corpus, tiny_encoder, tmp_path):
    config = write_config(tmp_path / "again.yaml", corpus, tiny_encoder)
    train.main(["--config", str(config), "training.workers=2"])
    first, second = (json.loads((r / "metrics.json").read_text()) for r in (run, tmp_path / "run"))
    assert first["epochs"] == second["epochs"] and first["test"] == second["test"]


def test_the_best_epoch_is_chosen_by_the_score_of_the_config(corpus, tiny_encoder, tmp_path, monkeypatch):
    scripted = iter([(0.5, 0.2), (0.6, 0.1), (0.4, 0.3), (0.9, 0.9)] * 2)  # the last one is that of test
    real = Evaluator.__call__

    def score(self, predictions):
        f1, ign_f1 = next(scripted)
        return replace(real(self, predictions), f1=f1, ign_f1=ign_f1)

    monkeypatch.setattr(Evaluator, "__call__", score)
    for best_by, epoch in ((None, 2), ("ign_f1", 3)):
        changes = {"evaluation": {"best_by": best_by}, "output": str(tmp_path / str(best_by))}
        config = write_config(tmp_path / "c.yaml", corpus, tiny_encoder, **changes)
        assert launch.train(load_config(config, ["training.epochs=3"]))["best"]["epoch"] == epoch


def test_without_dev_and_with_unlabeled_test(corpus, tiny_encoder, tmp_path):
    data = {"train": str(corpus / "train.json"), "test": str(corpus / "unlabeled.json")}
    config = write_config(tmp_path / "c.yaml", corpus, tiny_encoder, data=data, loss={"name": "atl"})
    metrics = launch.train(load_config(config, ["training.epochs=2"]))
    assert metrics["best"]["epoch"] == 2 and metrics["test"] is None
    assert (tmp_path / "run" / "result.zip").is_file()


@pytest.mark.parametrize("labeled", [True, False])
def test_two_test_documents_of_one_title_are_refused_before_training(corpus, tiny_encoder, tmp_path, labeled):
    documents = random_documents(3, seed=5, labeled=labeled)
    write_docred(tmp_path / "test.json", [*documents, documents[0]])
    data = {"train": str(corpus / "train.json"), "test": str(tmp_path / "test.json")}
    config = write_config(tmp_path / "c.yaml", corpus, tiny_encoder, data=data)
    with pytest.raises(DocreError, match=r"test\.json: two documents have the title 'doc 5000'"):
        train.main(["--config", str(config)])
    assert not (tmp_path / "run").exists()


def test_evaluation_may_read_more_than_training(corpus, tiny_encoder, tmp_path, capsys):
    """Training documents end at data.max_tokens, the test documents at evaluation.max_tokens."""
    data = {"train": str(corpus / "train.json"), "test": str(corpus / "test.json"), "max_tokens": 16}
    config = write_config(tmp_path / "c.yaml", corpus, tiny_encoder, data=data)
    launch.train(load_config(config, ["training.epochs=1", "evaluation.max_tokens=20"]))
    warned = [line for line in capsys.readouterr().err.splitlines() if "cuts off" in line]
    assert ["max_tokens=16 cuts" in line for line in warned] == [True, False]
    assert "data.max_tokens=16 cuts off" in warned[0] and "of the train documents" in warned[0]
    assert "evaluation.max_tokens=20 cuts off" in warned[1] and "of the test documents" in warned[1]
    documents = docre.read(corpus / "test.json")
    with pytest.warns(docre.DocreWarning):
        found = list(chain.from_iterable(docre.load(tmp_path / "run", "cpu").predict(documents)))
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [(p.title, p.head, p.tail, p.relation) for p in found] == [
        (entry["title"], entry["h_idx"], entry["t_idx"], entry["r"]) for entry in written
    ]


def test_accumulation_equals_one_large_batch(corpus, tiny_encoder, tmp_path):
    """Without dropout, 2 x 2 documents give the step of 4, pair for pair."""
    from tests.tiny import save_tiny_encoder

    encoder = save_tiny_encoder(tmp_path / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    losses = []
    for name, keys in (
        ("one", ["training.batch_size=4"]),
        ("two", ["training.batch_size=2", "training.accumulation_steps=2"]),
    ):
        config = write_config(tmp_path / f"{name}.yaml", corpus, encoder)
        metrics = launch.train(load_config(config, [*keys, f"output={tmp_path / name}"]))
        losses.append([epoch["loss"] for epoch in metrics["epochs"]])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
