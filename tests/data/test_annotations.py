"""The readers of annotation tools: what docre exports to them comes back as the documents it was."""

import json

import pytest

from docre.data.readers import read
from docre.errors import DocreError
from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Span
from docre.graph import export
from tests.data.samples import DOCCANO, JSONL, LABEL_STUDIO, SAMPLES

TEXT = "😀 Ada was born in London. She left it. أدا Ada!"
BACK = Extraction(
    "t",
    TEXT,
    (
        ExtractedEntity("Ada", "PER", (Span(2, 5, 0.5), Span(26, 29), Span(43, 46))),
        ExtractedEntity("London", "LOC", (Span(18, 24),)),
        ExtractedEntity("أدا", "", (Span(39, 42),)),
    ),
    (
        ExtractedTriple(0, 1, "P19", "place of birth", Span(26, 29), Span(18, 24), (Span(0, 25),), 1.0, 0.9),
        ExtractedTriple(1, 0, "P19", "place of birth", Span(18, 24), Span(2, 5)),
    ),
)
TOOLS = {"doccano": ".doccano.jsonl", "label_studio": ".labelstudio.json"}


@pytest.mark.parametrize("reader", TOOLS)
def test_what_is_exported_is_read(reader, tmp_path):
    export([BACK, Extraction("empty", "")], tmp_path / f"f{TOOLS[reader]}")
    document, empty = read(tmp_path / f"f{TOOLS[reader]}", reader)
    assert document.title == "t" and empty.title == "empty" and not empty.entities and empty.triples == []
    names = [[mention.name for mention in entity.mentions] for entity in document.entities]
    assert names == [["Ada", "She", "Ada"], ["London"], ["أدا"]]
    assert [entity.type for entity in document.entities] == ["PER", "LOC", "ENTITY"]
    assert [(t.head, t.relation, t.tail) for t in document.triples] == [(0, "P19", 1), (1, "P19", 0)]


@pytest.mark.parametrize("reader", TOOLS)
def test_the_samples_say_what_the_jsonl_sample_says(reader, tmp_path):
    for name in (reader, "jsonl"):
        (tmp_path / name).write_text(SAMPLES[name])
    (document, *_), (same, *_) = read(tmp_path / reader, reader), read(tmp_path / "jsonl", "jsonl")
    assert document.sentences == same.sentences and document.entities == same.entities
    assert [(t.head, t.relation, t.tail) for t in document.triples] == [(0, "P19", 1), (0, "P20", 1)]


def test_the_last_annotation_counts_that_was_not_cancelled(tmp_path):
    good = LABEL_STUDIO["annotations"][0]
    annotations = [{"result": []}, good, {"result": [], "was_cancelled": True}]
    (tmp_path / "f").write_text(json.dumps([LABEL_STUDIO | {"annotations": annotations, "predictions": [{}]}]))
    assert len(read(tmp_path / "f", "label_studio")[0].entities) == 2
    (tmp_path / "f").write_text(json.dumps([LABEL_STUDIO | {"annotations": [annotations[2]], "predictions": [good]}]))
    assert len(read(tmp_path / "f", "label_studio")[0].entities) == 2


def label_studio(change: dict) -> str:
    """The Label Studio sample, with its relation P19 changed."""
    (annotation, *_) = LABEL_STUDIO["annotations"]
    results = [dict(result) for result in annotation["result"]]
    next(result for result in results if result["type"] == "relation" and "P19" in result["labels"]).update(change)
    return json.dumps([LABEL_STUDIO | {"annotations": [annotation | {"result": results}]}])


def test_directions_of_relations(tmp_path):
    for direction, pairs in (("right", [(1, 0)]), ("left", [(0, 1)]), ("bi", [(1, 0), (0, 1)])):
        (tmp_path / "f").write_text(label_studio({"direction": direction}))
        (document,) = read(tmp_path / "f", "label_studio")
        assert [(t.head, t.tail) for t in document.triples if t.relation == "P19"] == pairs


@pytest.mark.parametrize(
    "change, message",
    [
        ({"direction": "up"}, "expected one of right, left, bi in 'direction', got 'up'"),
        ({"labels": []}, "a relation without a label"),
    ],
)
def test_mistakes_in_relations_are_named(change, message, tmp_path):
    (tmp_path / "f").write_text(label_studio(change))
    with pytest.raises(DocreError, match=message):
        read(tmp_path / "f", "label_studio")


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"relations": [{"from_id": 7, "to_id": 1, "type": "P19"}]},
            r"relations\[0\]: there is no span with the id '1'",
        ),
        ({"entities": 2 * DOCCANO["entities"][:1]}, r"entities\[1\]: two spans have the id 7"),
        ({"text": JSONL["text"][:30]}, r"entities\[1\]: characters \[33, 36\) are not inside the text"),
    ],
)
def test_mistakes_are_named(change, message, tmp_path):
    (tmp_path / "f").write_text(json.dumps(DOCCANO | change))
    with pytest.raises(DocreError, match=r"f: line 1: " + message):
        read(tmp_path / "f", "doccano")


def test_a_text_that_does_not_fit_its_offsets_is_named(tmp_path):
    """As when the text was changed after it was annotated."""
    task = LABEL_STUDIO | {"data": {"title": "Ada Lovelace", "text": "x" + JSONL["text"]}}
    (tmp_path / "f").write_text(json.dumps([task]))
    with pytest.raises(DocreError, match=r"task 0: result\[1\]\.value: 'text' is 'She', but \[start, end\) is ' Sh'"):
        read(tmp_path / "f", "label_studio")


@pytest.mark.parametrize("reader", TOOLS)
def test_a_wrong_reader_gets_a_hint(reader, tmp_path):
    (tmp_path / "f").write_text(SAMPLES[reader])
    with pytest.raises(DocreError, match=f"it looks like {reader} documents: use --reader {reader}"):
        read(tmp_path / "f", "cdr")
