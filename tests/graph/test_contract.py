"""The contract of exporters, tested for every registered one: written and read back, nothing is lost. A new one needs a
reader in tests/graph/readers.py."""

import gc
import os
import subprocess
import sys
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import rdflib
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.data.readers import READERS as READERS_OF_DOCUMENTS
from docre.errors import DocreError
from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Span
from docre.graph import EXPORTERS, export, exporter_for, formats, rdf
from docre.graph.nodes import Numbered, build_graph
from docre.graph.pubtator import divided, flat
from docre.inference.extract import to_extraction
from tests.conftest import ROOT
from tests.graph.readers import EXPECTED, READERS, facts, ordered
from tests.test_extraction import GOOD, extractions

every_exporter = pytest.mark.parametrize("name", list(EXPORTERS))

# What breaks quoting, offsets and line ends, in every place where a text may be.
ODD = "\"q\" 'a' \\u0041\\n`x`; </script> ]]> & {{y}}\t|\r\n\n\u2028\x85é e\u0301"
ODD += "أهلا\u200f שלום 😀👩\u200d👧 東京 // $1 #?%"
ODD_NAME = "a\\`\"';,|{}<\n\t\r😀 أ"
EVIL = Extraction(
    ODD_NAME,
    ODD,
    (
        ExtractedEntity(ODD, ODD_NAME, (Span(0, len(ODD), 1.0), Span(3, 9), Span(3, 9, 0.5))),
        ExtractedEntity("", "", (Span(70, 80),), 0.0),
    ),
    (
        ExtractedTriple(0, 1, ODD_NAME, ODD, Span(3, 9), Span(70, 80), (Span(0, 20), Span(40, len(ODD))), -1.0, 0.0),
        ExtractedTriple(1, 1, "CID", "", Span(70, 80), Span(70, 80), (), 1e300, 1.0),
        ExtractedTriple(1, 0, "has part/of", "x", Span(70, 80), Span(0, 1), (Span(0, 1),), 1e-300, 1e-9),
        ExtractedTriple(1, 0, "P31", "x", Span(70, 80), Span(0, 1)),
    ),
)
EMPTY, NO_TRIPLES = Extraction("", ""), Extraction("t", GOOD.text, GOOD.entities)


def check(name: str, items: list[Extraction], folder: Path) -> None:
    if name not in READERS:
        pytest.fail(f"exporter {name!r} is not read back: add a reader to tests/graph/readers.py")
    for suffix in EXPORTERS[name].suffixes:
        export(iter(items), folder / f"f{suffix}")
        expected = facts([EXPECTED.get(name, lambda x: x)(item) for item in items])
        assert ordered(READERS[name](folder / f"f{suffix}")) == ordered(expected)


def exporter_for_name(name: str):
    return EXPORTERS[name]


@every_exporter
@settings(max_examples=15, deadline=None)
@given(items=st.lists(extractions(), max_size=3))
def test_written_and_read_back(name, items):
    with tempfile.TemporaryDirectory() as folder:
        check(name, items, Path(folder))


@every_exporter
@pytest.mark.parametrize("items", [[GOOD], [EVIL], [], [EMPTY], [NO_TRIPLES], [GOOD, EVIL, EMPTY, GOOD, NO_TRIPLES]])
def test_odd_texts_and_empty_extractions(name, items, tmp_path):
    check(name, items, tmp_path)


@every_exporter
def test_equal_extractions_give_equal_bytes(name, tmp_path):
    suffix = EXPORTERS[name].suffixes[0]
    for i in "ab":
        export([GOOD, EVIL], tmp_path / f"{i}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert EXPORTERS[name].__doc__


IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from docre.graph import export
from docre.extraction import Extraction
export(map(Extraction.from_json, Path(sys.argv[1]).read_text("utf-8").split("\\n")[:-1]), sys.argv[2])
"""


@every_exporter
def test_another_process_gives_the_same_bytes(name, tmp_path):
    """Sets of texts have another order in each process."""
    suffix = EXPORTERS[name].suffixes[0]
    export([GOOD, EVIL], tmp_path / "saved.jsonl")
    for seed in "12":
        command = [
            sys.executable,
            "-c",
            IN_ANOTHER_PROCESS,
            str(tmp_path / "saved.jsonl"),
            f"{tmp_path / seed}{suffix}",
        ]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)})
    assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"2{suffix}").read_bytes()


@every_exporter
def test_an_error_on_the_way_leaves_the_old_file(name, tmp_path):
    def broken():
        yield GOOD
        raise DocreError("line 2: text")

    path = tmp_path / f"f{EXPORTERS[name].suffixes[0]}"
    path.write_text("old")
    with pytest.raises(DocreError, match="line 2: text"):
        export(broken(), path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(DocreError, match="cannot write"):
        export([GOOD], path / path.name)


@every_exporter
def test_names_are_joined_in_graphs_only(name, tmp_path):
    path = tmp_path / f"f{EXPORTERS[name].suffixes[0]}"
    if not EXPORTERS[name].joins:
        with pytest.raises(DocreError, match="joined by name only in formats that hold a graph"):
            export([GOOD], path, join_names=True)
        assert not list(tmp_path.iterdir())
        return
    other = Extraction("u", "London. London", (ExtractedEntity("London", "LOC", (Span(0, 6, 0.5),), 0.95),))
    place = Extraction("v", "London", (ExtractedEntity("London", "PER", (Span(0, 6),)),))
    export([GOOD, other, place], path, join_names=True)
    assert ordered(READERS[name](path)) == ordered(facts([GOOD, other, place]))  # every mention is still there
    text = path.read_text("latin-1")
    if name in ("turtle", "graphml", "cypher"):
        assert [text.count(label) for label in ('label "London"', ">London</data>", '{name: "London"')] == {
            "turtle": [2, 0, 0],
            "graphml": [0, 4, 0],
            "cypher": [0, 0, 2],
        }[name]


def test_ntriples_are_written_document_by_document(tmp_path, monkeypatch):
    """When a document is read, the one before the last is no longer in memory."""
    seen: list[weakref.ref] = []

    def documents():
        for i in range(5):
            gc.collect()
            assert not any(document() for document in seen[:-1])
            made = replace(GOOD, title=f"t{i // 2}")  # two of them are equal
            seen.append(weakref.ref(made))
            yield made
            del made

    export(documents(), tmp_path / "f.nt")
    assert len(seen) == 5
    export([replace(GOOD, title=f"t{i // 2}") for i in range(5)], tmp_path / "f.ttl")
    whole = set(rdflib.Graph().parse(tmp_path / "f.nt"))
    assert whole == set(rdflib.Graph().parse(tmp_path / "f.ttl"))
    monkeypatch.setattr(rdf, "AT_ONCE", 7)
    export([replace(GOOD, title=f"t{i // 2}") for i in range(5)], tmp_path / "f.nt")
    assert whole == set(rdflib.Graph().parse(tmp_path / "f.nt"))


def test_pubtator_that_was_read_has_the_same_offsets(tmp_path):
    source = "227508|t|Naloxone reverses clonidine.\n227508|a|In rats it does. So it is.\n"
    lines = ["227508\t0\t8\tNaloxone\tChemical\tE0", "227508\t18\t27\tclonidine\tChemical\tE1"]
    for text in (source, source.replace(". I", " in vivo. I"), source.replace("In rats it does. So it is.", "")):
        (tmp_path / "in.pubtator").write_text("\n".join([text.rstrip("\n"), *lines]) + "\n\n")
        (document,) = READERS_OF_DOCUMENTS["pubtator"](tmp_path / "in.pubtator")
        export([to_extraction(document, [])], tmp_path / "out.pubtator")
        assert (tmp_path / "out.pubtator").read_text() == (tmp_path / "in.pubtator").read_text()


SENTENCES = ["", " ", "a", "One. Two", "One.\n\nTwo. Three", "一。二。三", "A.  B", "A b.\u2003C d"]


@pytest.mark.parametrize("text", SENTENCES)
def test_pubtator_divides_a_text_so_that_offsets_stay(text):
    first, rest = divided(text)
    assert f"{first} {rest}" in (flat(text), f"{flat(text)} ")  # without a space to divide it at, it is the first part


def test_suffixes():
    assert formats()[".ttl"] == "turtle" and exporter_for("a/B.TTL") is EXPORTERS["turtle"]
    assert exporter_for("x.doccano.jsonl") is EXPORTERS["doccano"] and exporter_for("x.jsonl") is EXPORTERS["jsonl"]
    for path in ("x", "x.txt", "ttl", "x.json", "x.ttl/y"):
        with pytest.raises(DocreError, match=r"no format has this suffix: expected one of .*\.ttl \(turtle\)"):
            exporter_for(path)


def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch):
    for module, suffix in (("rdflib", ".ttl"), ("networkx", ".graphml")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(DocreError, match=rf"needs {module}: pip install 'docre\[graph\]'"):
            export([GOOD], tmp_path / f"f{suffix}")
    assert not list(tmp_path.iterdir())


def test_ids_are_those_of_the_content():
    first, second = build_graph([GOOD, EVIL], False), build_graph([EVIL, GOOD, GOOD], False)
    assert set(first.nodes) < set(second.nodes) and len(second.nodes) == len(first.nodes) + len(GOOD.entities)
    assert {edge.id for edge in first.edges} < {edge.id for edge in second.edges}


@given(st.lists(st.sampled_from(["a", "a-2", "a-2-2", "b"]), max_size=20))
def test_numbered_names_are_all_different(names):
    numbered = Numbered()
    found = [numbered(name) for name in names]
    assert len(set(found)) == len(found)
    for i, name in enumerate(names):
        assert found[i].startswith(name) and (found[i] == name or name in found[:i])


def test_a_name_repeated_many_times_costs_no_search():
    numbered = Numbered()
    assert [numbered("text") for _ in range(100_000)][-1] == "text-100000"
