"""The labels are exactly what the text states, as an independent reader understands it."""

from docre.documents import Document, Entity, Mention
from tests.synthetic.reader import closure, evidence, readings


def read_facts(document):
    """The facts that a document states, and those that it excludes. Each sentence must have exactly one meaning."""
    facts = set()
    for s in range(len(document.sentences)):
        found = readings(document, s)
        assert len(found) == 1, (document.sentences[s], found)
        facts |= next(iter(found))
    return frozenset(facts)


def test_labels_are_what_the_sentences_state_and_what_follows(documents):
    for document in documents:
        labels = [(t.head, t.relation, t.tail) for t in document.triples]
        assert len(labels) == len(set(labels))
        facts = read_facts(document)
        assert set(labels) == closure({fact for fact, needed in facts if needed}), document.title
        assert not {fact for fact, needed in facts if not needed} & set(labels), document.title


def test_evidence_is_the_smallest_set_of_sentences_that_states_a_label(corpus):
    for document in corpus["test"]:
        facts = read_facts(document)
        for t in document.triples:
            assert t.evidence == evidence(facts, (t.head, t.relation, t.tail)), (document.title, t)


def test_the_reader_understands_only_what_it_knows():
    words = "Ann met Bob in Ham , and Bob married Eve .".split()
    names = [("Ann", "PER", [0]), ("Bob", "PER", [2, 7]), ("Ham", "LOC", [4]), ("Eve", "PER", [9])]
    entities = [Entity(tuple(Mention(n, 0, i, i + 1, kind) for i in places)) for n, kind, places in names]
    (facts,) = readings(Document("d", [words], entities), 0)
    assert facts == {((1, "P26", 3), frozenset({0}))}
    words[8] = "divorced"
    assert readings(Document("d", [words], entities), 0) == set()
