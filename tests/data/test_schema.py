"""Label schemas: the built-in ones, and files in every supported form."""

import json

import pytest

from docre.data.schema import LabelSchema, load_schema, shipped_schemas
from docre.errors import DocreError


def test_docre_carries_the_benchmarks_schemas():
    sizes = {name: len(load_schema(name).relations) for name in shipped_schemas()}
    assert sizes == {"cdr": 1, "docred": 96, "dwie": 65, "gda": 1}
    docred = load_schema("docred")
    assert docred.relations[0] == "P17" and docred.name("P17") == "country" and len(docred.names) == 96
    assert load_schema("cdr").relations == ("CID",) and load_schema("gda").relations == ("GDA",)


def test_they_are_those_of_the_benchmarks(shared):
    docred = load_schema("docred")
    assert docred.relations == load_schema(shared / "data/meta/rel2id.json").relations
    assert docred.names == json.loads((shared / "data/meta/rel_info.json").read_text())
    assert load_schema("dwie").relations == load_schema(shared / "data/dwie/rel2id.json").relations


def test_what_is_saved_is_loaded(tmp_path):
    schema = LabelSchema(("b", "a"), {"b": "name of b"})
    schema.save(tmp_path / "relations.json")
    loaded = load_schema(tmp_path / "relations.json")
    assert loaded.relations == ("b", "a") and (loaded.name("b"), loaded.name("a")) == ("name of b", "a")


def test_a_file_in_the_current_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text('{"r": "name"}')
    assert load_schema("mine").relations == ("r",)
    with pytest.raises(DocreError, match="docre's label schemas: cdr, docred, dwie, gda"):
        load_schema("docreed")


@pytest.mark.parametrize(
    "content", ["[]", "{}", "3", '[{"id": 1}]', '{"a": 1, "b": "c"}', '[{"id": "a"}, {"id": "a"}]']
)
def test_errors_name_the_file(tmp_path, content):
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(DocreError, match=f"^{tmp_path / 's.json'}: "):
        load_schema(tmp_path / "s.json")
