"""The tagger `gliner`, with a tiny random model of GLiNER's architecture."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.documents import Document
from docre.errors import DocreError
from docre.text import TAGGERS
from docre.text.gliner import Found, joined, load_model, windows, without_overlaps
from tests.text.tiny_gliner import WORDS, save_tiny_gliner


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("gliner")
    return save_tiny_gliner(tmp_path_factory.mktemp("gliner") / "tiny")


def build(model, **parameters):
    return TAGGERS.build("gliner", {"model": model, "types": ["person", "place"], "threshold": 0.4, **parameters})


def test_offsets_scores_and_long_texts(model):
    tagger = build(model, threshold=0.05)
    rng = random.Random(0)
    text = "\n🙂  ".join(" ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 12))) + "." for _ in range(30))
    document = tagger(text, "long")
    assert isinstance(document, Document) and document.source.text == text
    places = []
    for entity, scores in zip(document.entities, document.source.mention_scores, strict=True):
        assert entity.type in ("person", "place")
        for mention, score in zip(entity.mentions, scores, strict=True):
            start, end = document.source.characters(mention.sentence, mention.start, mention.end)
            assert " ".join(text[start:end].split()) == mention.name and 0.05 <= score <= 1
            places.append((start, end))
    places.sort()
    assert len(places) > 20 and all(a[1] <= b[0] for a, b in pairwise(places))
    assert places[-1][0] > len(text) * 0.9  # the last window is read


def test_a_short_text_equals_the_model(model):
    text = "w1 w2 w3 w4 w5."
    wanted = load_model(model).predict_entities(text, ["person", "place"], threshold=0.4)
    document = build(model)(text, "short")
    found = sorted(
        document.source.characters(m.sentence, m.start, m.end) for e in document.entities for m in e.mentions
    )
    assert found == sorted((m["start"], m["end"]) for m in wanted) and found


@pytest.mark.parametrize("text", ["", " \n", "🙂", "...", "\0\x01"])
def test_odd_texts(model, text):
    assert build(model, threshold=0.9)(text, "odd").source.text == text


def test_bad_parameters(model):
    for parameters in ({"types": []}, {"threshold": 1.0}, {"types": [" "]}, {"no": 1}):
        with pytest.raises(DocreError):
            build(model, **parameters)
    with pytest.raises(DocreError, match="no/such") as error:
        load_model("/no/such")
    assert "\n" not in str(error.value)


PIECES = st.lists(st.integers(0, 3) | st.integers(0, 12), max_size=60)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.integers(1, 20), st.integers(1, 30))
def test_windows_divide_the_text(pieces, size, room):
    found = windows(pieces, size, room)
    readable = [word for word, count in enumerate(pieces) if count <= room]
    assert [w for _, _, begin, stop in found for w in range(begin, stop)] == readable
    for first, last, begin, stop in found:
        assert first <= begin <= stop <= last and last - first <= size and sum(pieces[first:last]) <= room
    for (_, last, _, stop), (after, *_) in pairwise(found):
        assert last - stop >= (last - after) // 2


@pytest.mark.parametrize("count", [0, 1, 383, 384, 385, 1000])
def test_windows_of_many_words_overlap_by_a_quarter(count):
    found = windows([1] * count, 384, 10_000)
    assert [first for first, *_ in found] == list(range(0, max(count - 96, min(count, 1)), 288))
    assert all(last - stop == 48 for _, last, _, stop in found[:-1])


def test_long_words_and_many_types(model):
    """The encoder has 128 positions; a word of 9 letters x has 9 pieces."""
    words = [random.Random(i).choice([*WORDS, 9 * "x", 300 * "x"]) for i in range(60)]
    tagger = build(model, threshold=0.05)
    document = tagger(" ".join(words), "long words")
    assert document.entities
    assert tagger.room == 128 - 2 - (2 * 2 + 1)
    with pytest.raises(DocreError, match="80 types are more than the model's encoder reads at once"):
        build(model, types=[f"person {i}" for i in range(80)])


def test_overlaps_and_names():
    text = "Ada Lovelace met Lovelace"
    found = [
        Found(0.5, 0, 12, "PER"),
        Found(0.9, 4, 12, "PER"),
        Found(0.7, 0, 3, "PER"),
        Found(0.6, 17, 25, "PER"),
        Found(0.6, 17, 25, "X"),
    ]
    assert without_overlaps(found) == [found[2], found[1], found[3]]
    (entity,) = joined(text, [found[0], found[3]])
    assert entity.spans == [(0, 12), (17, 25)] and entity.scores == [0.5, 0.6]
