"""The training facts that Ign-F1 leaves out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.data.readers import read
from docre.errors import DocreError
from docre.evaluation import FactSet, read_fact_file, train_facts
from tests.evaluation.brute_force import document

TRAIN = [
    document("a", 1, [[("Ann", 0), ("A.", 0), ("Ann", 0)], [("Bob", 0)]], [(0, 1, "spouse"), (0, 1, "spouse")]),
    document("b", 1, [[("Ann", 0)], [("Bob", 0)]], [(0, 1, "spouse")]),
    document("c", 1, [[("Ann", 0)], [("Bob", 0)]]),
]


def test_every_pair_of_mention_names():
    facts = train_facts(TRAIN)
    assert all(fact in facts.facts for fact in (("Ann", "Bob", "spouse"), ("A.", "Bob", "spouse")))
    assert len(facts.facts) == 2 and ("Bob", "Ann", "spouse") not in facts.facts
    assert facts.relation_counts == {"spouse": 2}  # distinct triples, of two documents
    assert facts.state(["x", "A."], ["Bob"], "spouse")
    assert not facts.state(["Bob"], ["Ann"], "spouse")
    assert not facts.state([], ["Bob"], "spouse")


def test_unlabeled_training_data():
    with pytest.raises(DocreError, match=r"train.json: none of 1 documents has labels"):
        train_facts(TRAIN[2:], "train.json")
    assert len(train_facts([]).facts) == 0


def test_fact_file(tmp_path):
    path = tmp_path / "train.fact"
    path.write_text(json.dumps([["Ann", "Bob", "spouse"], ["A.", "Bob", "spouse"], ["Ann", "Bob", "spouse"]]))
    facts = read_fact_file(path)
    assert len(facts.facts) == 2 and facts.state(["Ann"], ["Bob"], "spouse") and facts.state(["A."], ["Bob"], "spouse")
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
    names = [[[m.name for m in entity.mentions] for entity in document.entities] for document in dev]
    stated = [
        facts.state(of_document[triple.head], of_document[triple.tail], triple.relation)
        for document, of_document in zip(dev, names, strict=True)
        for triple in document.triples
    ]
    assert 0 < sum(stated) < len(stated)


@given(st.lists(st.tuples(*[st.text("ab 1", max_size=3)] * 3)), st.lists(st.tuples(*[st.text("ab 1", max_size=3)] * 3)))
def test_a_fact_set_is_a_set(added, asked):
    """However the names are divided, and whether the facts are sorted in one after another or all at once."""
    whole, piecemeal = FactSet(added), FactSet()
    for fact in added:
        piecemeal.update([fact])
        assert fact in piecemeal
    assert len(whole) == len(piecemeal) == len(set(added))
    for fact in [*added, *asked]:
        assert (fact in whole) == (fact in piecemeal) == (fact in set(added))


def test_a_fact_set_is_small(monkeypatch):
    """8 bytes a fact, also when more facts than are kept unsorted come from a generator, with repetitions."""
    monkeypatch.setattr("docre.evaluation.facts.MERGE_SIZE", 1000)
    facts = FactSet((str(i % 5000), "x", "r") for i in range(7001))
    assert len(facts) == 5000 and facts._sorted.nbytes == 40_000 and not facts._new
    assert ("4999", "x", "r") in facts and ("5000", "x", "r") not in facts
