"""docre convert: from every format to DocRED JSON and back."""

import json

import pytest

from docre.commands import convert
from docre.data.readers import read
from docre.documents import Document
from docre.errors import DocreError

OWN = {"title": "t", "text": "Ada was born. In London.", "entities": [{"type": "PER", "mentions": [[0, 3]]}]}


def run(*arguments):
    convert.main([str(a) for a in arguments])


def test_own_data(tmp_path, capsys):
    (tmp_path / "own.jsonl").write_text(json.dumps(OWN) + "\n" + json.dumps(OWN | {"title": "u", "relations": []}))
    run("--reader", "jsonl", "--input", tmp_path / "own.jsonl", "--output", tmp_path / "own.json")
    assert read(tmp_path / "own.json") == read(tmp_path / "own.jsonl", "jsonl")
    first, second = json.loads((tmp_path / "own.json").read_text())
    assert first["sents"] == [["Ada", "was", "born", "."], ["In", "London", "."]]
    assert first["vertexSet"] == [[{"name": "Ada", "sent_id": 0, "pos": [0, 1], "type": "PER"}]]
    assert "labels" not in first and second["labels"] == [] and "pairs" not in first
    assert "2 documents" in capsys.readouterr().out


def test_cdr_keeps_its_candidate_pairs(shared, tmp_path):
    source, target = shared / "data/cdr/test_filter.data", tmp_path / "cdr.json"
    run("--reader", "cdr", "--input", source, "--output", target)
    assert read(target) == read(source, "cdr")
    assert all("pairs" in item for item in json.loads(target.read_text()))


def test_docred_json_stays_what_it_is(shared, tmp_path):
    source = shared / "data/dwie/test.json"
    run("--reader", "docred", "--input", source, "--output", tmp_path / "f.json")
    assert read(tmp_path / "f.json") == read(source)


def test_a_mistake_leaves_nothing(tmp_path):
    (tmp_path / "own.jsonl").write_text(json.dumps(OWN | {"entities": [{"mentions": [[0, 99]]}]}))
    with pytest.raises(DocreError, match=r"own\.jsonl: line 1: entities"):
        run("--reader", "jsonl", "--input", tmp_path / "own.jsonl", "--output", tmp_path / "own.json")
    with pytest.raises(DocreError, match="unknown reader 'xml'"):
        run("--reader", "xml", "--input", tmp_path / "own.jsonl", "--output", tmp_path / "own.json")
    assert [path.name for path in tmp_path.iterdir()] == ["own.jsonl"]


def test_what_would_not_read_back_is_not_written(tmp_path):
    """A user's own reader may return documents that the format cannot express."""
    with pytest.raises(DocreError, match="would not read back the same"):
        convert.convert([Document(("t",), [["a"]], [])], tmp_path / "f.json")
    with pytest.raises(DocreError):
        convert.convert([Document("t", [["a", 3]], [])], tmp_path / "f.json")
    assert not list(tmp_path.iterdir())
