"""Documents made from plain text: every mention and sentence is found again in the text."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import docre
from docre import DocreError, Document
from docre.extraction import Span
from docre.inference.extract import nearest_mentions, to_extraction

TEXTS = st.one_of(st.text(max_size=60), st.text("aé e\u0301שלום 🙂👩\u200d👩.!?\n\r\u2028。ा\x1c", max_size=60))


@given(st.data())
def test_every_mention_and_sentence_is_in_the_text(data):
    text = data.draw(TEXTS)
    spans = [
        (i, j) for i in range(len(text)) for j in range(i + 1, min(len(text), i + 7) + 1) if not text[i:j].isspace()
    ]
    mentions = st.lists(st.sampled_from(spans).map(list), max_size=3) if spans else st.just([])
    entities = data.draw(st.lists(st.fixed_dictionaries({"mentions": mentions}), max_size=3))
    document = Document.from_text(text, entities)
    source = document.source
    for entity, given_entity in zip(document.entities, entities, strict=True):
        for mention, (start, end) in zip(entity.mentions, given_entity["mentions"], strict=True):
            first, last = source.characters(mention.sentence, mention.start, mention.end)
            assert text[first:last] == text[start:end].strip() and start <= first < last <= end
    covered = 0
    for s in range(len(document.sentences)):
        start, end = source.sentence(s)
        assert not text[covered:start].strip() and "".join(text[start:end].split()) == "".join(document.sentences[s])
        covered = end
    assert not text[covered:].strip()
    extraction = to_extraction(document, [])  # checks every span itself
    assert len(extraction.entities) == sum(bool(e["mentions"]) for e in entities)


def test_a_document_is_equal_whatever_its_source(tmp_path):
    text, entities = "Ada was born in London.", [{"type": "PER", "mentions": [[0, 3]]}]
    document = Document.from_text(text, entities, title="a")
    assert document == Document("a", document.sentences, document.entities)
    (tmp_path / "a.jsonl").write_text(json.dumps({"title": "a", "text": text, "entities": entities}))
    (read,) = docre.read(tmp_path / "a.jsonl", "jsonl")
    assert read.source.text == text and read.source.sentence(0) == (0, 23)


@pytest.mark.parametrize(
    "entities, message",
    [
        ([{"mentions": [[0, 99]]}], r"entities\[0\].mentions\[0\]: characters \[0, 99\)"),
        ([{"mentions": [[3, 4]]}], "only white space"),
        ([{"mention": [[0, 3]]}], r"entities\[0\]\['mentions'\]"),
        ([{"mentions": [[0]]}], r"entities\[0\]\['mentions'\]\[0\]"),
        ([{"mentions": [[0, 3]], "score": 2}], "score"),
        ([{"mentions": [["0", 3]]}], "expected an integer"),
        ([{"mentions": [[False, True]]}], "expected an integer"),
        ([{"mentions": [[0, 3.0]]}], "expected an integer"),
        ("London", "entities"),
    ],
)
def test_bad_entities(entities, message):
    with pytest.raises(DocreError, match=message):
        Document.from_text("Ada was born in London.", entities)


def test_offsets_of_numpy_and_a_title_that_is_none():
    document = Document.from_text("Ada was born in London.", [{"mentions": [np.array([0, 3])]}])
    assert document.entities[0].name == "Ada"
    with pytest.raises(DocreError, match="title: expected a string, got NoneType"):
        Document.from_text("Ada", [], None)


SPANS = st.lists(
    st.builds(lambda start, size: Span(start, start + size), st.integers(0, 30), st.integers(1, 4)), min_size=1
)


@given(SPANS, SPANS)
def test_nearest_mentions(heads, tails):
    heads, tails = (sorted(spans, key=lambda span: (span.start, span.end)) for spans in (heads, tails))
    expected = min(((h, t) for h in heads for t in tails), key=lambda both: abs(both[0].start - both[1].start))
    assert nearest_mentions(heads, tails) == expected


def test_mentions_far_longer_than_the_text_are_refused():
    """A file of 400 KB with a thousand of them would take half a gigabyte."""
    text = "z" * 4000
    with pytest.raises(DocreError, match="its mentions have 4,000,000 characters, 100 times the text's"):
        Document.from_text(text, entities=[{"type": "T", "mentions": [[0, 4000]] * 1000}])
