"""The training facts that Ign-F1 leaves out."""

import json

import pytest

from docre.data.readers import read
from docre.errors import DocreError
from docre.evaluation import read_fact_file, train_facts
from tests.evaluation.brute_force import document

TRAIN = [
    document("a", 1, [[("Ann", 0), ("A.", 0), ("Ann", 0)], [("Bob", 0)]], [(0, 1, "spouse"), (0, 1, "spouse")]),
    document("b", 1, [[("Ann", 0)], [("Bob", 0)]], [(0, 1, "spouse")]),
    document("c", 1, [[("Ann", 0)], [("Bob", 0)]]),
]


def test_every_pair_of_mention_names():
    facts = train_facts(TRAIN)
    assert facts.facts == {("Ann", "Bob", "spouse"), ("A.", "Bob", "spouse")}
    assert facts.relation_counts == {"spouse": 2}  # distinct triples, of two documents
    assert facts.state(["x", "A."], ["Bob"], "spouse")
    assert not facts.state(["Bob"], ["Ann"], "spouse")
    assert not facts.state([], ["Bob"], "spouse")


def test_unlabeled_training_data():
    with pytest.raises(DocreError, match=r"train.json: none of 1 documents has labels"):
        train_facts(TRAIN[2:], "train.json")
    assert train_facts([]).facts == frozenset()


def test_fact_file(tmp_path):
    path = tmp_path / "train.fact"
    path.write_text(json.dumps([["Ann", "Bob", "spouse"], ["A.", "Bob", "spouse"], ["Ann", "Bob", "spouse"]]))
    facts = read_fact_file(path)
    assert facts.facts == train_facts(TRAIN).facts
    assert facts.relation_counts == {"spouse": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a JSON list"),
        ('[["a", "b", "r"], ["a", "b"]]', "entry 1: expected three strings"),
        ('[["a", "b", 3]]', "entry 0: expected three strings"),
        ('["abc"]', "entry 0: expected three strings"),
        ("[[", "not valid JSON"),
    ],
)
def test_malformed_fact_file(tmp_path, text, message):
    path = tmp_path / "train.fact"
    path.write_text(text)
    with pytest.raises(DocreError, match=message) as error:
        read_fact_file(path)
    assert str(error.value).startswith(str(path))


def test_dwie(shared):
    facts = read_fact_file(shared / "data/dwie/train_annotated.fact")
    assert len(facts.facts) == 16689
    dev = read(shared / "data/dwie/dev.json")
    assert any(fact in facts.facts for fact in train_facts(dev).facts)
