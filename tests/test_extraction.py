"""Extractions: written as JSON and read again they are equal, and what is malformed is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.errors import DocreError
from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Provenance, Span

SCORES = st.none() | st.floats(0, 1)


@st.composite
def extractions(draw):
    text = draw(st.text('ab é東😀\n"', min_size=1, max_size=20))

    def span():
        start = draw(st.integers(0, len(text) - 1))
        return Span(start, draw(st.integers(start + 1, len(text))), draw(SCORES))

    def spans(least):
        return tuple(span() for _ in range(draw(st.integers(least, 3))))

    entities = tuple(
        ExtractedEntity(draw(st.text(max_size=3)), draw(st.text(max_size=3)), spans(1), draw(SCORES))
        for _ in range(draw(st.integers(0, 3)))
    )
    index = st.integers(0, len(entities) - 1)
    triples = tuple(
        ExtractedTriple(
            draw(index), draw(index), "P1", "one", span(), span(), spans(0), draw(st.floats(-9, 9)), draw(SCORES)
        )
        for _ in range(draw(st.integers(0, 2)) if entities else 0)
    )
    origin = st.builds(Provenance, line=st.none() | st.integers(1), weights=st.none())
    noted = draw(st.integers(0, 2)), draw(st.none() | origin)
    return Extraction(draw(st.text(max_size=4)), text, entities, triples, *noted)


@given(extractions())
def test_json_and_back(extraction):
    assert Extraction.from_json(json.dumps(extraction.to_json())) == extraction


def test_a_row_of_a_corpus_is_read_without_its_place():
    row = {"file": "a.txt", "number": 0} | GOOD.to_json()
    assert Extraction.from_json(json.dumps(row)) == GOOD
    with pytest.raises(DocreError, match=r"^number: "):
        Extraction.from_json(json.dumps(row | {"number": "0"}))
    with pytest.raises(DocreError, match=r"^line: "):
        Extraction.from_json(json.dumps(row | {"line": 0}))


GOOD = Extraction(
    "t",
    "Ada was born in London.",
    (ExtractedEntity("Ada", "PER", (Span(0, 3, 0.5),)), ExtractedEntity("London", "LOC", (Span(16, 22),), 0.9)),
    (ExtractedTriple(0, 1, "P19", "place of birth", Span(0, 3), Span(16, 22), (Span(0, 23),), 1.5, 0.8),),
)


def test_parts():
    assert [GOOD.part(entity.mentions[0]) for entity in GOOD.entities] == ["Ada", "London"]


@given(st.data())
def test_damage_is_named_in_one_line(data):
    value = json.loads(json.dumps(GOOD.to_json()))
    holder, path = value, []
    while isinstance(holder, (dict, list)) and holder:
        keys = sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        path.append(key)
        if not isinstance(holder[key], (dict, list)) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[path[-1]] = data.draw(st.sampled_from([None, True, -1, 10**6, float("nan"), "x", [], {}, [1]]))
    try:
        Extraction.from_json(json.dumps(value))
    except DocreError as error:
        assert "\n" not in str(error) and any(str(key) in str(error) for key in path if isinstance(key, str))


@pytest.mark.parametrize("value", [None, [], "x", {}, {"title": 1}])
def test_other_values(value):
    with pytest.raises(DocreError, match=r"^(extraction|title): "):
        Extraction.from_json(json.dumps(value))
