"""The readers of PubTator and BioC: small documents by hand, in the ways of CDR, BioRED and PubTator."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.data.readers import READERS, read
from docre.documents import Triple
from docre.errors import DocreError
from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Span
from docre.graph import export
from tests.data.samples import BIOC, JSONL, OTHER, PUBTATOR, SAMPLES, bioc_xml

FORMATS = ("pubtator", "bioc_json", "bioc_xml")


def text_of(name: str, documents: list[dict]) -> str:
    return json.dumps({"documents": documents}) if name == "bioc_json" else bioc_xml(documents)


@pytest.mark.parametrize("name", FORMATS)
def test_the_samples_say_what_the_jsonl_sample_says(name, tmp_path):
    (tmp_path / "f").write_text(SAMPLES[name])
    (tmp_path / "g").write_text(json.dumps(JSONL))
    (document, nothing), (same,) = read(tmp_path / "f", name), read(tmp_path / "g", "jsonl")
    assert document.title == "1" and document.sentences == same.sentences
    assert [[m.name for m in e.mentions] for e in document.entities] == [["Ada Lovelace", "She"], ["London"]]
    assert [e.type for e in document.entities] == ["Person", "Place"]
    assert document.triples == [Triple(0, 1, "P19"), Triple(0, 1, "P20")]
    assert nothing.entities == [] and nothing.triples == [] and nothing.title == "2"


def mentions(document) -> dict[str, list[str]]:
    """The names of the mentions by those of the entity's first one and its type."""
    return {f"{e.name}/{e.type}": [m.name for m in e.mentions] for e in document.entities}


def test_cdr_as_published(tmp_path):
    """Composite mentions with "|", mentions that are linked to nothing, and several identifiers of the head."""
    (tmp_path / "f").write_text(
        "7|t|Ovarian and peritoneal cancer\n7|a|after X. X, or X.\n"
        "7\t0\t29\tOvarian and peritoneal cancer\tDisease\tD010051|D010534\tovarian cancer|peritoneal cancer\n"
        "7\t36\t37\tX\tChemical\t-1\n7\t39\t40\tX\tChemical\t-1\n7\t45\t46\tX\tChemical\tD000001\n"
        "7\tCID\tD000001\tD010534\n7\tCID\tD000001\tD010534\n"
    )
    (document,) = read(tmp_path / "f", "pubtator")
    names = [(e.name, e.type, len(e.mentions)) for e in document.entities]
    cancer = "Ovarian and peritoneal cancer"
    assert names == [(cancer, "Disease", 1), (cancer, "Disease", 1), ("X", "Chemical", 2), ("X", "Chemical", 1)]
    assert document.triples == [Triple(3, 1, "CID")]


def test_biored_as_published(tmp_path):
    """Several identifiers with "," and the "|" in those of variants, which is kept."""
    infons = {"type": "SequenceVariant", "identifier": "c|SUB|A|3243|G"}
    passage = {
        "offset": 0,
        "text": "A3243G of AB genes",
        "annotations": [
            {"id": "0", "infons": infons, "text": "A3243G", "locations": [{"offset": 0, "length": 6}]},
            {
                "id": "1",
                "infons": {"type": "Gene", "identifier": "12,34"},
                "text": "AB genes",
                "locations": [{"offset": 10, "length": 8}],
            },
        ],
    }
    relation = {"infons": {"entity1": "34", "entity2": "c|SUB|A|3243|G", "type": "Association", "novel": "No"}}
    document = {"id": "9", "passages": [passage], "relations": [relation | {"id": "R1", "nodes": []}]}
    for name in ("bioc_json", "bioc_xml"):
        (tmp_path / name).write_text(text_of(name, [document]))
        (found,) = read(tmp_path / name, name)
        assert [e.name for e in found.entities] == ["A3243G", "AB genes", "AB genes"]
        assert found.triples == [Triple(2, 0, "Association")]


@pytest.mark.parametrize(
    "infons",
    [
        {"type": "P1", "role1": "Place|D2", "role2": "Person|D1"},
        {"type": "P1", "role1": {"identifier": "D2"}, "role2": {"identifier": "D1"}},
        {"relation": "P1", "Chemical": "D2", "Disease": "D1"},
    ],
)
def test_the_ways_in_which_a_relation_names_its_concepts(infons, tmp_path):
    document = BIOC | {"relations": [{"infons": infons}]}
    (tmp_path / "f").write_text(json.dumps({"PubTator3": [document]}))
    assert read(tmp_path / "f", "bioc_json")[0].triples == [Triple(1, 0, "P1")]


def test_a_relation_of_too_many_concepts(tmp_path):
    annotations = [
        {
            "id": str(i),
            "infons": {"type": "T", "identifier": str(i)},
            "text": "A",
            "locations": [{"offset": 0, "length": 1}],
        }
        for i in range(60)
    ]
    nodes = [{"refid": str(i), "role": ""} for i in range(60)]
    passage = {"offset": 0, "text": "A", "annotations": annotations}
    document = {"id": "9", "passages": [passage], "relations": [{"id": "R", "infons": {"type": "P"}, "nodes": nodes}]}
    (tmp_path / "f").write_text(json.dumps({"documents": [document]}))
    with pytest.raises(DocreError, match="60 concepts, expected at most 50"):
        read(tmp_path / "f", "bioc_json")


@pytest.mark.parametrize("name", ["bioc_json", "bioc_xml"])
def test_more_than_two_concepts_and_more_than_one_span(name, tmp_path):
    """A relation of three holds between each two; a mention in parts reaches from the first to the last. Mentions
    without identifiers can be in a relation too, and sentences stand for the text of a passage."""

    def annotation(id_: str, text: str, *spans: tuple[int, int]) -> dict:
        locations = [{"offset": start, "length": end - start} for start, end in spans]
        return {"id": id_, "infons": {"type": "T"}, "text": text, "locations": locations}

    sentences = [
        {"offset": 100, "text": "Ovarian or lung cancer.", "annotations": []},
        {
            "offset": 130,
            "text": "A B",
            "annotations": [annotation("b", "A", (130, 131)), annotation("c", "B", (132, 133))],
        },
    ]
    nodes = [{"refid": one, "role": ""} for one in "abc"]
    passage = {"offset": 100, "annotations": [annotation("a", "Ovarian cancer", (100, 107), (116, 122))]}
    document = {
        "id": "n",
        "passages": [passage | {"sentences": sentences}],
        "relations": [{"id": "R", "infons": {"type": "P"}, "nodes": nodes}],
    }
    (tmp_path / "f").write_text(text_of(name, [document]))
    (found,) = read(tmp_path / "f", name)
    assert [e.name for e in found.entities] == ["Ovarian or lung cancer", "A", "B"]
    assert found.triples == [Triple(0, 1, "P"), Triple(0, 2, "P"), Triple(1, 2, "P")]


def test_what_docre_exports_as_pubtator_is_read(tmp_path):
    text = "Ada 😀 was born in London"
    entities = (ExtractedEntity("Ada", "PER", (Span(0, 3),)), ExtractedEntity("London", "LOC", (Span(18, 24),)))
    triple = ExtractedTriple(0, 1, "P19", "place of birth", Span(0, 3), Span(18, 24), (Span(0, 24),), 1.0, 0.9)
    export([Extraction("a", text, entities, (triple,)), Extraction("b", text, entities)], tmp_path / "f.pubtator")
    first, second = read(tmp_path / "f.pubtator", "pubtator")
    assert mentions(first) == mentions(second) == {"Ada/PER": ["Ada"], "London/LOC": ["London"]}
    assert first.triples == [Triple(0, 1, "P19")] and second.triples == []


def test_a_relation_may_be_a_number(tmp_path):
    entities = (ExtractedEntity("Ada", "PER", (Span(0, 3),)), ExtractedEntity("London", "LOC", (Span(7, 13),)))
    triple = ExtractedTriple(0, 1, "17", "country", Span(0, 3), Span(7, 13), (), 1.0, 0.9)
    export([Extraction("a", "Ada in London", entities, (triple,))], tmp_path / "f.pubtator")
    (document,) = read(tmp_path / "f.pubtator", "pubtator")
    assert document.triples == [Triple(0, 1, "17")]


@st.composite
def annotated(draw) -> dict:
    """A document of BioC JSON with random passages, mentions and relations, and gaps between the passages."""
    offset, passages, ids = draw(st.integers(0, 5)), [], []
    for p in range(draw(st.integers(1, 3))):
        words = draw(st.lists(st.sampled_from(["a", "b<c", "é😀", '"x"', "&amp;"]), min_size=1, max_size=5))
        text, annotations, start = " ".join(words), [], offset
        for w, word in enumerate(words):
            if draw(st.booleans()):
                ids.append(draw(st.sampled_from(["D1", "D2", "D3"])))
                infons = {"type": "T", "identifier": ids[-1]}
                place = [{"offset": start, "length": len(word)}]
                annotations.append({"id": f"{p}.{w}", "infons": infons, "text": word, "locations": place})
            start += len(word) + 1
        passages.append({"offset": offset, "text": text, "annotations": annotations})
        offset = start + draw(st.integers(0, 50))
    ends = draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(ids)), max_size=4)) if ids else []
    relations = [
        {"id": f"R{r}", "infons": {"type": "P", "entity1": head, "entity2": tail}}
        for r, (head, tail) in enumerate(ends)
    ]
    return {"id": draw(st.sampled_from(["1", "2 & 3"])), "passages": passages, "relations": relations}


@given(st.lists(annotated(), max_size=3))
def test_json_and_xml_give_the_same_documents(tmp_path_factory, documents):
    """And what a slow reading of the JSON gives."""
    folder = tmp_path_factory.mktemp("f")
    for name in ("bioc_json", "bioc_xml"):
        (folder / name).write_text(text_of(name, documents), encoding="utf-8")
    found = read(folder / "bioc_json", "bioc_json")
    assert found == read(folder / "bioc_xml", "bioc_xml") and len(found) == len(documents)
    for item, document in zip(documents, found, strict=True):
        names: dict[str, list[str]] = {}
        for passage in item["passages"]:
            for one in passage["annotations"]:
                names.setdefault(one["infons"]["identifier"], []).append(one["text"])
        assert [[m.name for m in e.mentions] for e in document.entities] == list(names.values())
        facts = {(names[r["infons"]["entity1"]][0], names[r["infons"]["entity2"]][0]) for r in item["relations"]}
        assert {(document.entities[t.head].name, document.entities[t.tail].name) for t in document.triples} == facts


@given(st.data())
def test_damaged_xml_gives_documents_or_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("f") / "f"
    text = bioc_xml([BIOC, OTHER])
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + data.draw(st.integers(0, 60)))
    path.write_text(text[:start] + data.draw(st.sampled_from(["", "<", "&x;", "]]>", "<document/>", "é"])) + text[end:])
    try:
        assert all(document.title for document in read(path, "bioc_xml"))
    except DocreError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


LAUGHS = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "ha"}">' for i in range(12))


@pytest.mark.parametrize(
    ("before", "inside", "message"),
    [
        (f"<!DOCTYPE collection [{LAUGHS}]>", "&e11;", "declares entities"),
        ('<!DOCTYPE collection [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "&e;", "declares entities"),
        ('<!DOCTYPE collection [<!ENTITY % e SYSTEM "http://127.0.0.1:9/">%e;]>', "", "declares entities"),
        (f'<!DOCTYPE collection [<!ATTLIST a x CDATA "{"z" * 1000}">]>', "<a/>" * 9, "declares entities or attributes"),
        ('<!DOCTYPE collection SYSTEM "file:///etc/passwd">', "&e;", "undefined entity"),
        ('<?xml version="1.0" encoding="latin-1"?>', "", "expected UTF-8, got latin-1"),
        ("", "<a>" * 100 + "</a>" * 100, "more than 50 elements inside each other"),
    ],
)
def test_xml_that_attacks_is_refused(before, inside, message, tmp_path):
    (tmp_path / "f").write_text(f"{before}<collection><document><id>1</id>{inside}</document></collection>")
    with pytest.raises(DocreError, match=message):
        read(tmp_path / "f", "bioc_xml")


def test_other_xml_is_refused(tmp_path):
    (tmp_path / "f").write_text("<html><body>hello</body></html>")
    with pytest.raises(DocreError, match="f: expected a <collection> of documents, got <html>"):
        read(tmp_path / "f", "bioc_xml")


@pytest.mark.parametrize(
    "inside",
    [
        '<passages>x</passages><passage annotations="x"><offset>0</offset><text>abc</text></passage>',
        '<infons>x</infons><infon key="a">b</infon><passage><offset>0</offset><text>abc</text></passage>',
    ],
)
def test_names_of_elements_that_bioc_does_not_have_are_ignored(inside, tmp_path):
    (tmp_path / "f").write_text(f"<collection><document><id>1</id>{inside}</document></collection>")
    (document,) = read(tmp_path / "f", "bioc_xml")
    assert document.sentences == [["abc"]]


@pytest.mark.parametrize("name", ["bioc_json", "bioc_xml"])
def test_parts_of_a_mention_in_two_passages_and_relations_of_sentences(name, tmp_path):
    parts = [{"offset": 0, "length": 6}, {"offset": 20, "length": 6}]
    mention = {"id": "0", "infons": {"type": "T", "identifier": "D1"}, "text": "breast cancer", "locations": parts}
    other = mention | {"id": "1", "infons": {"type": "T", "identifier": "D2"}, "text": "ill"}
    other["locations"] = [{"offset": 30, "length": 3}]
    relation = {"id": "R", "infons": {"type": "CID", "entity1": "D1", "entity2": "D2"}, "nodes": []}
    passages = [
        {"infons": {}, "offset": 0, "text": "breast", "annotations": [mention, other]},
        {"infons": {}, "offset": 20, "sentences": [{"offset": 20, "text": "cancer is ill", "relations": [relation]}]},
    ]
    (tmp_path / name).write_text(text_of(name, [{"id": "9", "passages": passages, "relations": []}]))
    (document,) = read(tmp_path / name, name)
    assert [e.name for e in document.entities] == ["breast cancer", "ill"]
    assert document.triples == [Triple(0, 1, "CID")]


@pytest.mark.parametrize("size", [1, 7, 64, 10**6])
def test_documents_are_cut_wherever_chunks_end(size, tmp_path, monkeypatch):
    monkeypatch.setattr("docre.data.readers.xml.CHUNK", size)
    (tmp_path / "f").write_text(bioc_xml([BIOC, OTHER] * 3))
    assert [document.title for document in read(tmp_path / "f", "bioc_xml")] == ["1", "2"] * 3
    records = list(READERS["bioc_xml"].cut(tmp_path / "f"))
    content = (tmp_path / "f").read_bytes()
    for record in records:
        assert content[record.offset : record.offset + record.size].decode() == record.text
        assert record.text.startswith("<document>") and record.text.endswith("</document>")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("25\t31\tLondon", "26\t32\tLondon", r"line 4: document '1': its text is 'London', but .* 'ondon\.'"),
        ("25\t31\tLondon", "25\t999\tLondon", r"line 4: document '1': characters \[25, 999\) are not inside the text"),
        ("P19\tD1\tD2", "P19\tD1\tD9", "line 6: document '1': no mention has the identifier 'D9'"),
        ("1|a|", "2|a|", "line 1: expected two lines"),
        ("1\t33", "2\t33", "line 5: expected a line of document '1'"),
        ("P19\tD1\tD2", "P19\tD1", "line 6: expected start, end, mention, type and identifier, or relation"),
    ],
)
def test_mistakes_are_named(old, new, message, tmp_path):
    assert old in PUBTATOR
    (tmp_path / "f").write_text(PUBTATOR.replace(old, new))
    with pytest.raises(DocreError, match=message):
        read(tmp_path / "f", "pubtator")


def test_passages_in_another_order_are_named(tmp_path):
    document = copy.deepcopy(BIOC)
    document["passages"].reverse()
    (tmp_path / "f").write_text(json.dumps({"documents": [document]}))
    with pytest.raises(DocreError, match=r"document '1': passages\[1\]: its offset 0 is before"):
        read(tmp_path / "f", "bioc_json")


@pytest.mark.parametrize("name", FORMATS)
def test_a_wrong_reader_gets_a_hint(name, tmp_path):
    (tmp_path / "f").write_text(SAMPLES[name])
    with pytest.raises(DocreError, match=f"it looks like {name} documents: use --reader {name}"):
        read(tmp_path / "f", "cdr")


def test_dwie_without_relations_of_an_entity_with_itself(tmp_path):
    item = json.loads(SAMPLES["docred"])[0]
    item["labels"] += [{"h": 1, "t": 1, "r": "vs", "evidence": []}]
    (tmp_path / "f").write_text(json.dumps([item, {k: v for k, v in item.items() if k != "labels"}]))
    kept, dropped = read(tmp_path / "f"), read(tmp_path / "f", "dwie")
    assert kept[0].triples == [*dropped[0].triples, Triple(1, 1, "vs")] and len(dropped[0].triples) == 2
    assert kept[1] == dropped[1] and dropped[1].triples is None
