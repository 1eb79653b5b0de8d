"""docre graph: from saved extractions to every format, and one line for what is wrong."""

import json

import pytest

from docre.commands import graph
from docre.corpus.shards import FORMATS
from docre.errors import DocreError
from docre.graph import formats
from tests.graph.readers import READERS, facts, ordered
from tests.graph.test_contract import EMPTY, EVIL
from tests.test_extraction import GOOD


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "saved.jsonl"
    path.write_text("".join(json.dumps(x.to_json()) + "\n" for x in (GOOD, EVIL, EMPTY)), encoding="utf-8")
    return path


def test_from_saved_extractions(saved, capsys):
    graph.main([str(saved), "--output", str(saved.parent / "made" / "g.ttl")])
    assert "3 documents, 4 entities, 5 triples" in capsys.readouterr().out
    assert ordered(READERS["turtle"](saved.parent / "made" / "g.ttl")) == ordered(facts([GOOD, EVIL, EMPTY]))
    graph.main([str(saved), "--output", str(saved.parent / "copy.jsonl")])
    assert READERS["jsonl"](saved.parent / "copy.jsonl") == facts([GOOD, EVIL, EMPTY])


def test_a_row_that_is_no_extraction_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "f.parquet").write_bytes(FORMATS["parquet"]([{"title": "t"}], {"title": str}))
    with pytest.raises(DocreError, match=r"f\.parquet: row 0: text: Field required"):
        graph.main([str(tmp_path / "f.parquet"), "--output", str(tmp_path / "f.nt")])
    assert list(tmp_path.iterdir()) == [tmp_path / "f.parquet"]


@pytest.mark.parametrize("suffix", formats())
def test_a_mistake_is_named_and_nothing_is_written(suffix, saved):
    with saved.open("a") as file:
        file.write('\n{"title": "t", "text": "t", "entities": [{"name": "t"}]}\n')
    with pytest.raises(DocreError, match=r"saved\.jsonl: line 5: entities\.0\.type: Field required"):
        graph.main([str(saved), "--output", str(saved.parent / f"f{suffix}")])
    with pytest.raises(DocreError, match=r"missing\.jsonl: No such file"):
        graph.main([str(saved.parent / "missing.jsonl"), "--output", str(saved.parent / f"f{suffix}")])
    with pytest.raises(DocreError, match="no format has this suffix"):
        graph.main([str(saved), "--output", str(saved.parent / "f.doc")])
    assert list(saved.parent.iterdir()) == [saved]
