"""A file in another format than expected: the error names the format it seems to have, and how to read it."""

import json

import pytest

from docre.commands import evaluate
from docre.data.readers import READERS, read
from docre.data.readers.docred import to_json, write_docred
from docre.documents import Prediction
from docre.download.sources import SOURCES
from docre.errors import DocreError
from docre.evaluation import read_fact_file, read_submission, write_submission
from docre.formats import BENCHMARKS, FACTS, PREDICTIONS, SAMPLE_SIZE, hint
from tests.tiny import random_documents

OWN = {"title": "t", "text": "Ada in London", "entities": [{"mentions": [[0, 3]]}, {"mentions": [[7, 13]]}]}
ARGUMENTS = "D1\taspirin\t{}\t0\t1\t0\tD2\tpain\tDisease\t1\t2\t0"
PAIRS = "1\taspirin pain\t1:{}:2\tL2R\tNON-CROSS\t0-1\t1-2\t" + ARGUMENTS + "\n"


@pytest.fixture
def files(tmp_path):
    """A file of each format."""
    documents = random_documents(3)
    write_docred(tmp_path / "docred", documents)
    (tmp_path / "docred.pretty").write_text(json.dumps([to_json(d) for d in documents], indent=2), encoding="utf-8-sig")
    (tmp_path / "jsonl").write_text("\n".join(json.dumps(OWN) for _ in range(3)))
    (tmp_path / "jsonl.one").write_text(json.dumps(OWN))
    (tmp_path / "cdr").write_text(PAIRS.format("CID", "Chemical"))
    (tmp_path / "gda").write_text(PAIRS.format("GDA", "Gene"))
    write_submission(tmp_path / "predictions", [Prediction("doc 0", 0, 1, "P1")])
    write_submission(tmp_path / "result.zip", [Prediction("doc 0", 0, 1, "P1")])
    (tmp_path / "facts").write_text(json.dumps([["a", "b", "P1"]]))
    return tmp_path


USE = "(it looks like {0} documents: use --reader {0}, or data.reader={0} in a config)"


@pytest.mark.parametrize("reader", ["docred", "docgnre", "dwie", "jsonl", "cdr", "gda"])
@pytest.mark.parametrize("file", ["docred", "docred.pretty", "jsonl", "jsonl.one", "cdr", "gda"])
def test_documents_of_another_reader(files, file, reader):
    name = file.partition(".")[0]
    if name == reader or (name, reader) in (("docred", "docgnre"), ("docred", "dwie")):
        assert len(read(files / file, reader)) > 0
        return
    with pytest.raises(DocreError) as error:
        read(files / file, reader)
    assert str(error.value).startswith(f"{files / file}: ") and str(error.value).endswith(USE.format(name))


@pytest.mark.parametrize("reader", list(READERS))
@pytest.mark.parametrize(
    ("file", "what"), [("predictions", "predictions"), ("facts", "training facts"), ("result.zip", "a zip archive")]
)
def test_files_that_hold_no_documents(files, file, what, reader):
    with pytest.raises(DocreError, match=rf"\(it looks like {what}, not documents\)$"):
        read(files / file, reader)


@pytest.mark.parametrize("read_it", [read_submission, read_fact_file])
@pytest.mark.parametrize("file", ["docred", "jsonl", "predictions", "facts"])
def test_files_that_hold_no_predictions_or_facts(files, file, read_it):
    expected = PREDICTIONS if read_it is read_submission else FACTS
    if file == expected.split()[-1]:
        assert read_it(files / file)
        return
    what = {"predictions": PREDICTIONS, "facts": FACTS}.get(file, "documents")
    with pytest.raises(DocreError) as error:
        read_it(files / file)
    if (read_it, file) != (read_fact_file, "jsonl"):  # no JSON at all
        assert str(error.value).endswith(f" (it looks like {what}, not {expected})")


@pytest.mark.parametrize(
    ("text", "reader", "layout", "wanted"),
    [
        (
            "\n".join(json.dumps(to_json(d)) for d in random_documents(2)),
            "docred",
            "one document per line",
            "one JSON list",
        ),
        (json.dumps([OWN, OWN]), "jsonl", "one JSON list", "one document per line"),
        (json.dumps(OWN, indent=1), "jsonl", "a document on several lines", "one document per line"),
    ],
)
@pytest.mark.parametrize("given", ["docred", "jsonl"])
def test_another_layout(tmp_path, text, reader, layout, wanted, given):
    (tmp_path / "f").write_text(text)
    with pytest.raises(DocreError) as error:
        read(tmp_path / "f", given)
    expected = f"(it looks like {reader} documents, but {layout}; the reader {reader} expects {wanted})"
    assert str(error.value).endswith(expected)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b"[[1]]", b'{"a": {"text": 1}}', b"seed: 3\n"])
def test_no_hint_for_anything_else(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    assert {hint(tmp_path / "f", expected) for expected in ("docred", "jsonl", "cdr", PREDICTIONS, FACTS)} == {""}
    assert hint(tmp_path, "docred") == hint(tmp_path / "none", "docred") == ""


def test_only_the_start_is_read(tmp_path):
    """A key beyond the sample gives no hint, and costs no time."""
    (tmp_path / "f").write_text(json.dumps(OWN | {"title": "x" * SAMPLE_SIZE}) + "\n{")
    with pytest.raises(DocreError, match=r"expected a JSON list of documents, got an object$"):
        read(tmp_path / "f")


def test_the_damaged_file_of_the_right_reader_gets_no_hint(files):
    (files / "docred").write_text((files / "docred").read_text()[:-9])
    with pytest.raises(DocreError, match=r"not valid JSON: [^()]*$"):
        read(files / "docred")


def test_gold_in_another_format(files):
    """The same hint from the command line."""
    with pytest.raises(DocreError, match="--reader jsonl"):
        evaluate.main(["--predictions", str(files / "predictions"), "--gold", str(files / "jsonl")])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/synthetic/train.json", " (docre synthetic makes it)"),
        ("data/redocred/train_revised.json", " (docre download redocred gets it)"),
        ("data/mine/train.json", ""),
        ("tran.json", " (did you mean train.json?)"),
        ("nowhere/train.json", ""),
    ],
)
def test_a_missing_file_gets_a_hint(path, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.json").touch()
    assert hint(path, "docred") == expected


def test_the_benchmarks_are_those_that_can_be_downloaded():
    assert set(BENCHMARKS) == set(SOURCES)
