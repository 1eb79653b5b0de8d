"""Splitting a sequence of tokens into sentences, compared with a split by the definition."""

from hypothesis import given
from hypothesis import strategies as st

from docre.documents.flat import FlatMention, build_document


@st.composite
def runs(draw):
    tokens = [f"t{i}" for i in range(draw(st.integers(1, 12)))]
    span = st.tuples(st.integers(0, len(tokens) - 1), st.integers(1, 4)).map(lambda p: (p[0], min(sum(p), len(tokens))))
    entities = draw(st.lists(st.lists(span, max_size=3), max_size=3))
    breaks = draw(st.lists(st.integers(0, len(tokens))))
    return tokens, breaks, [[FlatMention(f"{s}-{e}", s, e, "T") for s, e in spans] for spans in entities]


@given(runs())
def test_sentences_end_at_breaks_outside_mentions(run):
    tokens, breaks, entities = run
    document = build_document("t", tokens, breaks, entities)
    expected, sentence = [], []
    for i, token in enumerate(tokens):
        sentence.append(token)
        crossed = any(m.start < i + 1 < m.end for mentions in entities for m in mentions)
        if i + 1 == len(tokens) or (i + 1 in breaks and not crossed):
            expected.append(sentence)
            sentence = []
    assert document.sentences == expected
    for mentions, entity in zip(entities, document.entities, strict=True):
        for flat, mention in zip(mentions, entity.mentions, strict=True):
            there = document.sentences[mention.sentence][mention.start : mention.end]
            assert there == tokens[flat.start : flat.end]
            assert (mention.name, mention.type) == (flat.name, "T")


def test_no_tokens_no_sentences():
    assert build_document("t", [], [0], []).sentences == []
