"""docre evaluate on files of predictions."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from docre.commands.evaluate import main
from docre.data.readers.docred import write_docred
from docre.errors import DocreError
from docre.evaluation import write_submission
from tests.evaluation.test_scores import GOLD, PREDICTIONS, TRAIN


@pytest.fixture
def files(tmp_path):
    """A folder with gold.json, train.json, train.fact, result.json and other.zip."""

    write_docred(tmp_path / "gold.json", GOLD)
    write_docred(tmp_path / "train.json", TRAIN)
    names = [["Ann Lee", "Bob"], ["Ann Lee", "Bobby"], ["A.", "Bob"], ["A.", "Bobby"]]
    facts = [[*pair, "spouse"] for pair in names] + [["Cid", "Bob", "child"], ["Cid", "Bobby", "child"]]
    (tmp_path / "train.fact").write_text(json.dumps(facts))
    write_submission(tmp_path / "result.json", PREDICTIONS)
    write_submission(tmp_path / "other.zip", PREDICTIONS[:3])
    return tmp_path


def run(files, *more, predictions="result.json", gold="gold.json"):
    main(["--predictions", str(files / predictions), "--gold", str(files / gold), *map(str, more)])


def test_table_and_notes(files, capsys):
    run(files)
    out = capsys.readouterr().out
    assert out.splitlines()[1].split() == ["all", "37.50", "60.00", "46.15", "5", "8", "3"]
    assert "note: 1 prediction for unknown titles: counted as wrong (first: 'three')" in out
    assert "Ign" not in out
    assert "eats " not in out
    run(files, "--per-relation")
    assert "eats                   0.00       -       -        0          1        0" in capsys.readouterr().out


@pytest.mark.parametrize("train", ["train.json", "train.fact"])
def test_json(files, capsys, train):
    run(files, "--json", files / "new/out.json", "--train", files / train)
    content = json.loads((files / "new/out.json").read_text())
    assert content["p"] == pytest.approx(3 / 8)
    assert content["r"] == pytest.approx(3 / 5)
    assert content["f1"] == pytest.approx(6 / 13)
    ign_p = 2 / 7.00001
    assert content["ign_f1"] == pytest.approx(2 * ign_p * 0.6 / (ign_p + 0.6))
    assert content["notes"] and content["gold_file"] == str(files / "gold.json")
    assert "Ign (without train)   28.57   60.00   38.71" in capsys.readouterr().out


def test_ign_f1_is_null_without_train(files):
    run(files, "--json", files / "out.json")
    content = json.loads((files / "out.json").read_text())
    assert content["ign_f1"] is None
    assert "bootstrap" not in content
    assert "against" not in content


def test_bootstrap_and_paired_test(files, capsys):
    run(files, "--bootstrap", 50, "--against", files / "other.zip", "--json", files / "out.json")
    content = json.loads((files / "out.json").read_text())
    low, high = content["bootstrap"]["intervals"]["f1"].values()
    assert low <= content["f1"] <= high
    assert content["bootstrap"]["samples"] == content["against"]["samples"] == 50
    difference = content["against"]["differences"]["f1"]
    assert difference["value"] == pytest.approx(content["f1"] - content["against"]["f1"])
    assert 0 < difference["p_value"] <= 1
    out = capsys.readouterr().out
    assert f"F1 95% [{100 * low:.2f}, {100 * high:.2f}]" in out
    assert "note (against): 1 prediction given again" in out


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ([], [], "neither submission has a prediction to score"),
        (PREDICTIONS[:3], PREDICTIONS[:3], "both submissions have the same counts in every document"),
    ],
)
def test_where_there_is_nothing_to_test_no_p_value_is_printed(files, capsys, one, other, why):
    for name, predictions in (("one.json", one), ("other.json", other)):
        write_submission(files / name, predictions)
    run(files, "--against", files / "other.json", "--json", files / "out.json", predictions="one.json")
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"{why}, so there is no difference to test" and "1.0000" not in out
    assert json.loads((files / "out.json").read_text())["against"]["no_difference"].startswith(why)


def test_submissions_for_other_documents(files, capsys):
    """They are refused as --against. Alone they score 0, and a note says why."""
    others = [replace(prediction, title=f"not {prediction.title}") for prediction in PREDICTIONS]
    write_submission(files / "others.json", others)
    before = sorted(files.iterdir())
    with pytest.raises(DocreError) as error:
        run(files, "--against", files / "others.json", "--json", files / "out.json")
    assert str(error.value).startswith(
        f"{files}/others.json: none of its {len(others)} predictions is for a document of"
    )
    assert sorted(files.iterdir()) == before and capsys.readouterr().out == ""
    run(files, predictions="others.json")
    assert "note: no prediction is for a document of the gold data" in capsys.readouterr().out


def test_golden(shared, tmp_path):
    expected = json.loads((shared / "golden/evaluation.json").read_text())["expected"]
    submission, data, out = shared / "golden/submission.json", shared / "data/redocred", tmp_path / "out.json"
    gold, train = data / "test_revised.json", data / "dev_revised.json"
    main(f"--predictions {submission} --gold {gold} --train {train} --json {out}".split())
    content = json.loads(out.read_text())
    assert content["f1"] == pytest.approx(expected["re_f1"], abs=1e-9)
    assert content["ign_f1"] == pytest.approx(expected["re_f1_ignore_train_annotated"], abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gold", "missing.json"], "missing.json: No such file"),
        (["--gold", "unlabeled.json"], "unlabeled.json: none of 1 documents has labels"),
        (["--train", "unlabeled.json"], "unlabeled.json: none of 1 documents has labels"),
        (["--train", "bad.fact"], "bad.fact: entry 0"),
        (["--predictions", "bad.fact"], "bad.fact: entry 0: expected an object"),
        (["--against", "missing.zip"], "missing.zip: No such file"),
        (["--reader", "xml"], "unknown reader 'xml'"),
        (["--bootstrap", "0"], "expected 1 to 100000 samples"),
    ],
)
def test_bad_input(files, capsys, monkeypatch, arguments, message):
    (files / "unlabeled.json").write_text(json.dumps([{"title": "a", "sents": [], "vertexSet": []}]))
    (files / "bad.fact").write_text("[[]]")
    monkeypatch.chdir(files)
    before = sorted(files.iterdir())
    with pytest.raises(DocreError, match=message):
        main(["--predictions", "result.json", "--gold", "gold.json", "--json", "out.json", *arguments])
    assert sorted(files.iterdir()) == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predictions", "result.json", "--form", "lists"], "--form, --relations, --similarity and --write need"),
        (["--predictions", "result.json", "--similarity", "0.9"], "--form, --relations, --similarity and --write need"),
        *((["--answers", "a.jsonl", "--similarity", value], "from 0 to 1, got") for value in ("nan", "7", "-1")),
    ],
)
def test_options_for_answers(files, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    with pytest.raises(SystemExit):
        main([*arguments, "--gold", "gold.json"])
    assert message in capsys.readouterr().err


def test_exit_code(files):
    command = [sys.executable, "-m", "docre.evaluate", "--predictions", "missing.json", "--gold", "gold.json"]
    process = subprocess.run(command, cwd=files, capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr == "docre: error: missing.json: No such file or directory\n"
    assert process.stdout == ""
