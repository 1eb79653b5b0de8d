"""The DocRED and DocGNRE readers: round trips, real files, and damaged files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.data.readers import read
from docre.data.readers.docgnre import read_docgnre
from docre.data.readers.docred import read_docred, to_json, write_docred
from docre.documents import Triple
from docre.errors import DocreError
from tests.data.strategies import damaged, documents, documents_or_one_line

ITEM = {
    "title": "t",
    "sents": [["Ada", "lived", "in", "London", "."]],
    "vertexSet": [
        [{"name": "Ada", "sent_id": 0, "pos": [0, 1], "type": "PER"}],
        [{"name": "London", "sent_id": 0, "pos": [3, 4]}],
    ],
    "labels": [{"h": 0, "t": 1, "r": "P551", "evidence": [0]}],
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("docred") / "file.json"


@given(st.lists(documents(), max_size=3))
def test_round_trip(path, corpus):
    write_docred(path, corpus)
    assert read_docred(path) == corpus


@given(st.data())
def test_any_damage_gives_documents_or_one_line(path, data):
    corpus = data.draw(st.lists(documents(), min_size=1, max_size=2))
    path.write_text(json.dumps(data.draw(damaged([to_json(document) for document in corpus]))))
    for read_it in (read_docred, read_docgnre):
        found = documents_or_one_line(read_it, path)
        if found is not None:
            write_docred(path.with_suffix(".again"), found)
            assert read_docred(path.with_suffix(".again")) == found


@given(st.data())
def test_truncated_files_give_one_line(path, data):
    whole = json.dumps([ITEM], indent=1)
    path.write_text(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert documents_or_one_line(read_docred, path) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["vertexSet"][0][0].update(type=3), "vertexSet[0][0]: expected a string in 'type', got an integer"),
        (lambda d: d["vertexSet"][1][0].update(pos=[3, 6]), "entity 1, mention 0: tokens [3, 6) are not inside"),
        (lambda d: d["vertexSet"][1][0].update(pos=[3]), "vertexSet[1][0].pos: expected a list of 2 integers"),
        (lambda d: d["vertexSet"][1][0].update(sent_id=True), "expected an integer in 'sent_id', got true or false"),
        (lambda d: d["labels"][0].update(evidence="0"), "labels[0]: expected a list in 'evidence', got a string"),
        (lambda d: d["labels"][0].update(evidence=[1]), "label 0: evidence sentence 1 does not exist"),
        (lambda d: d["labels"][0].update(h=2), "label 0: head entity 2 does not exist"),
        (lambda d: d.update(labels=0), "expected a list in 'labels', got an integer"),
        (lambda d: d.update(pairs=[[0, 1, 2]]), "pairs[0]: expected a list of 2 integers"),
        (lambda d: d.update(label=d.pop("labels")), "document: unknown key 'label' (did you mean 'labels'?)"),
        (lambda d: d.update(relations=d.pop("labels")), "document: unknown key 'relations' (did you mean 'labels'?)"),
        (lambda d: d.update(sent=d.pop("sents")), "document: unknown key 'sent' (did you mean 'sents'?)"),
        (lambda d: d.update(vertexset=d.pop("vertexSet")), "unknown key 'vertexset' (did you mean 'vertexSet'?)"),
        (lambda d: d.update(gpt_label=[]), "document: unknown key 'gpt_label' (did you mean 'gpt_labels'?)"),
        (
            lambda d: d["labels"][0].update(evidences=d["labels"][0].pop("evidence")),
            "labels[0]: unknown key 'evidences'",
        ),
        (
            lambda d: d["vertexSet"][1][0].update(Type="LOC"),
            "vertexSet[1][0]: unknown key 'Type' (did you mean 'type'?)",
        ),
        (lambda d: d["sents"][0].append(None), "sents[0]: expected a list of tokens"),
    ],
)
def test_errors_name_the_field(tmp_path, change, message):
    item = json.loads(json.dumps(ITEM))
    change(item)
    (tmp_path / "f.json").write_text(json.dumps([item]))
    with pytest.raises(DocreError) as error:
        read_docred(tmp_path / "f.json")
    assert str(error.value).startswith(f"{tmp_path / 'f.json'}: document 't': ") and message in str(error.value)


def test_extra_data_is_fine(tmp_path):
    """Additional keys of benchmark files, and other unknown keys, are ignored unless they look misspelled."""
    item = json.loads(json.dumps(ITEM)) | {"gpt_labels": [], "id": 3, "meta": {}, "label": "beside the right key"}
    item["vertexSet"][0][0] |= {"global_pos": [0, 1], "index": "0_0"}
    item["labels"][0] |= {"score": 0.5, "id": 1}
    (tmp_path / "f.json").write_text(json.dumps([item]))
    (tmp_path / "g.json").write_text(json.dumps([ITEM]))
    assert read_docred(tmp_path / "f.json") == read_docred(tmp_path / "g.json")


def test_a_byte_order_mark_is_accepted(tmp_path):
    (tmp_path / "f.json").write_text(json.dumps([ITEM]), encoding="utf-8-sig")
    assert read_docred(tmp_path / "f.json")[0].title == "t"


def test_half_a_surrogate_pair_names_its_line(tmp_path):
    (tmp_path / "f.json").write_text('[{"title": "\\ud83d\\ude00",\n "sents": [["\\ud83d"]], "vertexSet": []}]')
    with pytest.raises(DocreError, match="line 2: not valid JSON: no low surrogate"):
        read_docred(tmp_path / "f.json")
    (tmp_path / "f.json").write_text('[{"title": "\\\\ud83d \\ud83d\\ude00", "sents": [], "vertexSet": []}]')
    assert read_docred(tmp_path / "f.json")[0].title == "\\ud83d 😀"


def test_facts_of_dwie_are_kept(tmp_path):
    """DWIE has duplicate labels, labels with head == tail, and documents of one long sentence."""
    labels = [{"h": 0, "t": 1, "r": "in0", "evidence": []}] * 2 + [{"h": 1, "t": 1, "r": "vs"}]
    item = ITEM | {"sents": [["w"] * 2000], "labels": labels}
    (tmp_path / "f.json").write_text(json.dumps([item]))
    (document,) = read(tmp_path / "f.json")
    assert document.triples == [Triple(0, 1, "in0"), Triple(0, 1, "in0"), Triple(1, 1, "vs")]
    assert (1, 1) not in document.candidate_pairs


def test_docgnre_adds_the_proposed_labels_once(tmp_path):
    proposed = [("P551", 0, 1), ("P937", 0, 1), ("P937", 0, 1), ("P17", 1, 1)]
    item = ITEM | {"gpt_labels": [{"h": h, "t": t, "r": r, "score": 0.7} for r, h, t in proposed]}
    (tmp_path / "f.json").write_text(json.dumps([item, ITEM]))
    merged, plain = read(tmp_path / "f.json", "docgnre")
    assert merged.triples == [Triple(0, 1, "P551", (0,)), Triple(0, 1, "P937")]
    assert plain.triples == [Triple(0, 1, "P551", (0,))] == read(tmp_path / "f.json")[0].triples
