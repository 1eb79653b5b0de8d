"""The labels cannot be predicted from the types of two entities and a single word beside them."""

from docre.documents import Document, Entity, Mention, Triple
from tests.synthetic.baselines import baseline


def test_types_alone_decide_little(corpus):
    fitted, measured = baseline(corpus["train"], corpus["test"], use_words=False)
    assert 5 < fitted < 25
    assert 5 < measured < 25


def test_types_and_a_word_decide_little_more_than_half(corpus):
    fitted, measured = baseline(corpus["train"], corpus["test"], use_words=True)
    assert 40 < fitted < 70
    assert 40 < measured < 70


def test_the_baselines_are_fit_to_find_what_they_look_for():
    """If a single word decides, the baseline with words is perfect and the one without words is not."""
    documents = []
    for i, verb in enumerate(["wed", "met"] * 5):
        entities = [Entity((Mention(n, 0, p, p + 1, "PER"),)) for n, p in (("Ann", 0), ("Bob", 2))]
        triples = [Triple(0, 1, "P26"), Triple(1, 0, "P26")] if verb == "wed" else []
        documents.append(Document(str(i), [["Ann", verb, "Bob"]], entities, triples))
    assert baseline(documents, documents, use_words=True) == (100, 100)
    assert baseline(documents, documents, use_words=False)[0] < 70
