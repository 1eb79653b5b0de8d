"""docre analyze, calibrate and sweep on tiny runs; and the margins and attention that they use."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import docre
from docre.analysis.plots import available
from docre.commands import analyze, calibrate, evaluate, fit, predict, sweep
from docre.config.loading import to_yaml
from docre.data.readers.docred import write_docred
from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.inference.calibration import apply_calibration, load_calibrated
from docre.inference.probe import context_attention, margin_table
from docre.losses import LOSSES
from tests.tiny import random_document


def triples(predictions) -> list[tuple]:
    return [(p.title, p.head, p.tail, p.relation) for p in predictions]


def test_margins_are_those_of_the_predictions(runs, corpus):
    model = docre.load(runs[0], device="cpu")
    documents = docre.read(corpus / "test.json")
    table = margin_table(model, documents)
    expected = [p for found in model.predict(documents) for p in found]
    found = list(table.predictions())
    assert expected and sorted(triples(found)) == sorted(triples(expected))
    margins = {(p.title, p.head, p.tail, p.relation): (p.score, p.margin) for p in expected}
    for p in found:
        assert (p.score, p.margin) == pytest.approx(margins[p.title, p.head, p.tail, p.relation], abs=1e-4)
    gold = Counter((d.title, t.head, t.tail, t.relation) for d in documents for t in d.triples)
    pairs, relations = table.labels.nonzero()
    labels = {
        (table.titles[table.document[p]], table.head[p], table.tail[p], table.relations[r])
        for p, r in zip(pairs, relations, strict=True)
    }
    assert labels == set(gold) and table.left_out == 0 and table.gold == len(gold)


def test_margins_are_the_same_within_the_limits_of_a_batch(runs, corpus):
    model, documents = docre.load(runs[0], device="cpu"), docre.read(corpus / "test.json")
    whole = margin_table(model, documents)
    most = max(len(d.entities) * (len(d.entities) - 1) for d in documents)
    model.limits = replace(model.limits, pairs=most // 3)  # the largest documents are cut into pieces
    pieces = margin_table(model, documents)
    assert (pieces.head == whole.head).all() and (pieces.tail == whole.tail).all()
    assert (pieces.labels == whole.labels).all()
    np.testing.assert_allclose(pieces.margins, whole.margins, atol=1e-4)
    np.testing.assert_allclose(pieces.scores, whole.scores, atol=1e-4)


@pytest.mark.parametrize(
    "use", [lambda model, documents: model.predict(documents), margin_table], ids=["predict", "margin_table"]
)
def test_out_of_memory_while_deciding_names_the_documents(runs, corpus, monkeypatch, use):
    model, documents = docre.load(runs[0], device="cpu"), docre.read(corpus / "test.json")
    model.model.train()

    def exhausted(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model.loss, "decide", exhausted)
    with pytest.raises(DocreError, match=r"out of memory with documents 'doc .*evaluation\.max_pairs_per_batch"):
        use(model, documents)
    assert model.model.training  # as it was


def test_margins_need_labels(runs):
    model = docre.load(runs[0], device="cpu")
    with pytest.raises(DocreError, match="document 'doc 1': no labels"):
        margin_table(model, [random_document(1, labeled=False)])


def test_attention_of_words_is_that_of_their_tokens(runs, corpus):
    model = docre.load(runs[0], device="cpu")
    documents = docre.read(corpus / "test.json")[:3]
    for document, found in zip(documents, context_attention(model, documents), strict=True):
        (features,) = model.featurize([document])
        batch = model.collate([features])
        with torch.inference_mode():
            attention = model.model.eval().encoder(batch)[1].numpy()
        words = [word for sentence in document.sentences for word in sentence]
        assert found.shape == (len(features.contexts), len(words))
        starts = model.featurize.word_positions(document)
        for c, (first, second) in enumerate(features.contexts):
            rows = [attention[features.mention_entity == e].mean(axis=0) for e in (first, second)]
            product = (rows[0] * rows[1]).mean(axis=0)
            product = product / (product.sum() + 1e-5)
            expected = [product[a:b].sum() for a, b in pairwise(starts)]
            assert found[c] == pytest.approx(expected, abs=1e-5)
        assert 0.5 < found.sum(axis=1).max() <= 1


def test_words_that_are_cut_off_have_no_attention(runs, corpus):
    model = docre.load(runs[0], device="cpu")
    model.featurize.max_tokens = 12
    (document,) = docre.read(corpus / "test.json")[:1]
    (found,) = context_attention(model, [document])
    starts = np.array(model.featurize.word_positions(document)[:-1])
    assert (found[:, starts >= 11] == 0).all() and np.isfinite(found).all()


def test_attention_is_the_models_own_within_the_limits(runs, corpus, monkeypatch):
    """Not ATLOP's, whatever the model is; a document above the limits is taken in parts, in the precision asked for."""
    documents = docre.read(corpus / "test.json")[:3]
    model = docre.load(runs[0], "cpu")
    small = docre.load(runs[0], "cpu", ["evaluation.max_pairs_per_batch=3"])
    for whole, parts in zip(context_attention(model, documents), context_attention(small, documents), strict=True):
        assert parts == pytest.approx(whole, abs=1e-6)
    rounded = context_attention(docre.load(runs[0], "cpu", ["training.precision=bf16"]), documents)
    assert not np.array_equal(rounded[0], context_attention(model, documents)[0])

    def to_the_first_token(batch):
        return torch.eye(1, max(batch.document_lengths)).expand(len(batch.context_first), -1)

    monkeypatch.setattr(model.model, "context_attention", to_the_first_token)
    for found in context_attention(model, documents):
        assert not found.any()  # the first token is [CLS], which is of no word
    monkeypatch.setattr(model.model, "context_attention", lambda batch: None)
    assert context_attention(model, documents) is None


def test_analyze(runs, corpus, tmp_path, capsys):
    arguments = ["--checkpoint", str(runs[0]), "--data", str(corpus / "test.json")]
    arguments += ["--train", str(corpus / "train.json"), "--against", str(runs[1]), "--output", str(tmp_path)]
    analyze.main(arguments)
    out = capsys.readouterr().out
    content = json.loads((tmp_path / "analysis.json").read_text())
    scores = json.loads((runs[0] / "metrics.json").read_text())["test"]
    errors = content["models"][str(runs[0])]["errors"]
    assert errors["tp"] == scores["correct"] and errors["tp"] + errors["fp"] == scores["predicted"]
    assert errors["tp"] + errors["fn"] == scores["gold"]
    assert set(content["cases"]) == {"FN→TP", "TP→FN", "FP@NA"}
    for word in ("Std(RO)", "OVR", "FN_NA", "ΔFP@NA", "FN→TP", "P1"):
        assert word in out
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == ({"relative_offset.png", "precision_and_recall.png", "reliability.png"} if available() else set())


def test_analyze_without_another_writes_beside_the_run(runs, corpus, tmp_path):
    run = shutil.copytree(runs[0], tmp_path / "run")
    analyze.main(["--checkpoint", str(run), "--data", str(corpus / "dev.json")])
    content = json.loads((run / "analysis" / "dev" / "analysis.json").read_text())
    assert "cases" not in content and content["models"][str(run)]["errors"]["fp_typed"] is None
    shutil.rmtree(run / "analysis")
    analyze.main(["--checkpoint", str(run / "best"), "--data", str(corpus / "dev.json")])
    assert (run / "analysis" / "dev" / "analysis.json").is_file() and docre.load(run, device="cpu")


@pytest.mark.parametrize("command", [analyze, calibrate, fit])
def test_a_checkpoint_in_the_cache_of_the_hub_is_not_changed(command, tmp_path, monkeypatch):
    monkeypatch.setattr("docre.core.hub.snapshot", lambda name: pytest.fail("nothing is loaded"))
    with pytest.raises(DocreError, match=r"hub:owner/name: .* this checkpoint is in the cache of the hub"):
        command.main(["--checkpoint", "hub:owner/name", "--data", "dev.json"])


def test_calibrate_and_apply(runs, corpus, tmp_path, capsys):
    file = tmp_path / "calibration.json"
    calibrate.main(["--checkpoint", str(runs[0]), "--data", str(corpus / "dev.json"), "--output", str(file)])
    before, after = (line.split() for line in capsys.readouterr().out.splitlines()[-2:])
    assert float(after[3]) >= float(before[3])
    documents = docre.read(corpus / "dev.json")
    model = docre.load(runs[0], device="cpu")
    plain = margin_table(model, documents)
    apply_calibration(model, file)
    shifted = margin_table(model, documents)
    shift = json.loads(file.read_text())["shift"]
    assert np.allclose(shifted.margins, plain.margins + np.array(shift, dtype=np.float32), atol=1e-5)
    assert np.array_equal(shifted.predicted, plain.shifted(shift, 4).predicted)
    assert f"{100 * calibrate.rates(shifted)[2]:.2f}" == after[3]
    assert sorted(triples(shifted.predictions())) == sorted(triples(p for f in model.predict(documents) for p in f))


def test_evaluate_and_predict_take_a_calibration(runs, corpus, tmp_path):
    model = docre.load(runs[0], device="cpu")
    shift = {"relations": model.schema.relations, "shift": [-1.0] * 5, "purpose": ""}
    (tmp_path / "c.json").write_text(json.dumps(shift))
    gold, common = str(corpus / "test.json"), ["--checkpoint", str(runs[0]), "--calibration", str(tmp_path / "c.json")]
    common.append("--force")
    expected = margin_table(model, docre.read(gold)).shifted(-1.0, 4)
    evaluate.main([*common, "--data", gold, "--json", str(tmp_path / "scores.json")])
    scores = json.loads((tmp_path / "scores.json").read_text())
    before = json.loads((runs[0] / "metrics.json").read_text())["test"]["predicted"]
    assert scores["predicted"] == expected.predicted.sum() < before
    predict.main([*common, "--input", gold, "--output", str(tmp_path / "r.json")])
    assert len(json.loads((tmp_path / "r.json").read_text())) == expected.predicted.sum()


def test_calibration_of_other_relations_is_refused(runs, tmp_path):
    file = tmp_path / "c.json"
    file.write_text('{"relations": ["x"], "shift": [0.5], "purpose": ""}')
    with pytest.raises(DocreError, match=r"c.json: made for a model with other relations \(1 of them\)"):
        apply_calibration(docre.load(runs[0], device="cpu"), file)


def test_wanted_precision_is_a_fraction(runs, corpus, tmp_path):
    common = ["--checkpoint", str(runs[0]), "--data", str(corpus / "dev.json"), "--output", str(tmp_path / "c.json")]
    with pytest.raises(DocreError, match="--precision: expected a fraction above 0 and at most 1, got 60"):
        calibrate.main([*common, "--precision", "60"])


def test_documents_without_any_relation_are_named(runs, tmp_path):
    write_docred(tmp_path / "none.json", [replace(random_document(1), triples=[])])
    common = ["--checkpoint", str(runs[0]), "--data", str(tmp_path / "none.json")]
    with pytest.raises(DocreError, match=r"/none\.json: no relation is labeled"):
        calibrate.main([*common, "--output", str(tmp_path / "c.json")])
    with pytest.raises(DocreError, match=r"/none\.json: no relation is labeled"):
        load_calibrated(runs[0], dev=tmp_path / "none.json")


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_can_be_shifted(name):
    entry = LOSSES[name]
    parameters = entry.from_training_data(LabelStatistics(100, (9, 5, 2)))
    loss = LOSSES.build(name, parameters, 3)
    logits = torch.randn(20, loss.num_outputs, generator=torch.Generator().manual_seed(0))
    before = loss.margins(logits)
    loss.margin_shift = torch.tensor([1.0, 0.0, -1.0])
    assert torch.allclose(loss.margins(logits), before + loss.margin_shift)
    assert torch.equal(loss.decide(logits), loss.margins(logits) > 0)
    assert "margin_shift" not in loss.state_dict()


def test_sweep_trains_once_and_sums_up(config, tmp_path, capsys, monkeypatch):
    changed = tmp_path / "sweep.yaml"
    changed.write_text(f"extends: {config}\noutput: {tmp_path / 'sweep'}\ntraining:\n  epochs: 1\n")
    arguments = ["--config", str(changed), "loss.alpha=3,60", "seed=1,2"]
    sweep.main(arguments)
    out = capsys.readouterr().out
    rows = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert [row["values"] for row in rows] == [{"loss.alpha": "3"}, {"loss.alpha": "60"}]
    found = [
        json.loads((tmp_path / "sweep" / f"loss.alpha=60,seed={seed}" / "metrics.json").read_text())["best"]["f1"]
        for seed in (1, 2)
    ]
    assert rows[1]["dev F1"]["values"] == found and rows[1]["runs"] == 2
    assert rows[1]["dev F1"]["mean"] == pytest.approx(sum(found) / 2)
    assert rows[1]["dev F1"]["std"] == pytest.approx(abs(found[0] - found[1]) / 2**0.5)
    assert "±" in out and "best dev F1" in out and (tmp_path / "sweep" / "sweep.png").exists() == available()
    monkeypatch.setattr("docre.training.launch.train", lambda *_: pytest.fail("a finished run was run again"))
    sweep.main(arguments)
    assert json.loads((tmp_path / "sweep" / "sweep.json").read_text()) == rows
    (tmp_path / "sweep" / "sweep.json").unlink()
    monkeypatch.setenv("RANK", "1")  # of several processes, the first writes
    sweep.main(arguments)
    assert not (tmp_path / "sweep" / "sweep.json").exists()


def test_sweep_runs_what_is_not_finished(config, tmp_path, monkeypatch):
    changed = tmp_path / "sweep.yaml"
    changed.write_text(f"extends: {config}\noutput: {tmp_path / 'sweep'}\nloss: {{gamma: 1.0, name: afl}}\n")
    ran = []

    def train(config, restart):
        ran.append(Path(config.output).name)
        Path(config.output).mkdir(parents=True, exist_ok=True)
        Path(config.output, "config.yaml").write_text(to_yaml(config))
        Path(config.output, "metrics.json").write_text('{"best": {"f1": 0.5}, "test": null}')

    monkeypatch.setattr("docre.training.launch.train", train)
    (rows,) = sweep.sweep(changed, ["loss.gamma=3"])
    assert ran == ["loss.gamma=3"]
    assert rows["test F1"] is None and rows["dev F1"] == {"mean": 0.5, "std": None, "values": [0.5]}
    sweep.sweep(changed, ["loss.gamma=3,4"])
    assert ran == ["loss.gamma=3", "loss.gamma=4"]
    (tmp_path / "sweep" / "loss.gamma=3" / "metrics.json").unlink()  # killed before
    sweep.sweep(changed, ["loss.gamma=4,3"])
    assert ran == ["loss.gamma=3", "loss.gamma=4", "loss.gamma=3"]
    changed.write_text(f"{changed.read_text()}seed: 1\n")
    with pytest.raises(DocreError, match=r"stale: loss\.gamma=3 \(another config: seed was 66, now it is 1\); remove"):
        sweep.sweep(changed, ["loss.gamma=5,3"])
    assert len(ran) == 3


def test_grid(config):
    assert sweep.parse("loss.alpha=3,6") == ("loss.alpha", ["3", "6"])
    assert sweep.parse("loss.groups=[[0,1]],x") == ("loss.groups", ["[[0,1]]", "x"])
    _, runs = sweep.plan(config, ["loss.alpha=auto", "seed=1,2"])
    assert [run.config.loss.parameters["alpha"] for run in runs[::2]] == list(sweep.alpha_guideline(5))
    assert len({run.config.output for run in runs}) == 6
    folder, runs = sweep.plan(config, ["output=elsewhere", "seed=1,2"])
    assert folder == Path("elsewhere")
    assert [(run.config.output, dict(run.values)) for run in runs] == [
        (f"elsewhere/seed={seed}", {"seed": seed}) for seed in ("1", "2")
    ]
    for bad in (["loss.alpha"], ["loss.alpha="], ["loss.alpha=3,"], ["seed=1", "seed=2"], ["output=a,b"], ["seed=1,1"]):
        with pytest.raises(DocreError):
            sweep.plan(config, bad)
    with pytest.raises(DocreError, match="nothing varies"):
        sweep.plan(config, ["output=elsewhere"])


def test_folders_of_a_grid_have_names_that_differ_and_fit(config):
    _, runs = sweep.plan(config, ["data.dev=a/b.json,a_b.json,c.json"])
    names = [Path(run.config.output).name for run in runs]
    assert len(set(names)) == 3 and names[2] == "data.dev=c.json"
    _, runs = sweep.plan(config, [f"data.test={300 * 'é'}", "seed=1,2"])
    names = [Path(run.config.output).name for run in runs]
    assert len(set(names)) == 2 and max(len(name.encode()) for name in names) <= 160


@pytest.mark.parametrize(("relations", "published"), [(96, 16.5), (96, 20), (65, 6), (2, 7.5)])
def test_guideline_spans_the_published_values(relations, published):
    low, middle, high = sweep.alpha_guideline(relations)
    assert low <= published <= high and (low, high) == pytest.approx((middle / 2, middle * 2), abs=0.02)
