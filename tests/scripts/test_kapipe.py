"""scripts/benchmark/kapipe: documents arrive in its form, and sides that do not do the same work are refused. (What
kapipe makes of the documents is compared in every run of the benchmark, which needs kapipe.)"""

import json
import sys
from pathlib import Path

import pytest

from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from scripts.benchmark.kapipe.__main__ import check_inputs
from scripts.benchmark.kapipe.sides import KapipeProcess, divisible, kapipe_document

SENTENCES = (("Ada", "Lovelace", "met", "Babbage", "."), ("Babbage", "lived", "in", "London", "."))
ENTITIES = (
    Entity((Mention("Babbage", 1, 0, 1, "PER"), Mention("Babbage", 0, 3, 4, "PER"))),
    Entity((Mention("Ada Lovelace", 0, 0, 2, "PER"),)),
    Entity((Mention("London", 1, 3, 4, "LOC"),)),
)
DOCUMENT = Document("d", SENTENCES, ENTITIES, (Triple(0, 2, "lives in"),))


def test_a_document_in_kapipes_form():
    found = kapipe_document(DOCUMENT)
    assert found["sentences"] == ["Ada Lovelace met Babbage .", "Babbage lived in London ."]
    assert [(m["name"], m["span"]) for m in found["mentions"]] == [
        ("Ada Lovelace", [0, 1]),
        ("Babbage", [3, 3]),
        ("Babbage", [5, 5]),
        ("London", [8, 8]),
    ]
    assert [e["mention_indices"] for e in found["entities"]] == [[1, 2], [0], [3]]
    assert found["relations"] == [{"arg1": 0, "relation": "lives in", "arg2": 2}]


@pytest.mark.parametrize(("token", "expected"), [("x", True), ("\xa0", False), ("New York", False), ("", False)])
def test_sentences_that_kapipe_would_divide_otherwise(token, expected):
    assert divisible(Document("d", (("a", token),), (), ())) == expected


@pytest.mark.parametrize("name", ["tokens", "mentions", "pairs", "labels"])
def test_different_inputs_are_refused(name):
    ours = {"tokens": [5, 6], "mentions": 2, "pairs": 2, "labels": 1}
    check_inputs([ours, ours], [ours, dict(ours)])
    with pytest.raises(DocreError, match=f"document 1 of the sample: {name} of docre are"):
        check_inputs([ours, ours], [ours, ours | {name: [5] if name == "tokens" else 7}])


@pytest.mark.slow
def test_a_process_without_kapipe_says_so(tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps({}))
    process = KapipeProcess(request, interpreter=Path(sys.executable))
    with pytest.raises(DocreError, match=r"(?s)the process of kapipe ended: .*No module named 'kapipe'"):
        process.ask("train", [0])
