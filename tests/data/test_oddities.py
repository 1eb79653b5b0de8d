"""Warnings about the data: each irregularity gives its own, and sound data gives none."""

from dataclasses import replace
from types import SimpleNamespace

from docre.data import oddities
from docre.data.schema import LabelSchema, count_labels, relations_of
from docre.documents import Triple
from tests.tiny import RELATIONS, random_documents


def test_sound_data_has_no_warning():
    train, dev = random_documents(30), random_documents(3, seed=1)
    assert no_positives(train) == oddities.unlabeled("dev", dev) == oddities.unlabeled("dev", []) == []
    assert oddities.unseen_relations("dev", dev, relations_of(train)) == []
    assert oddities.leaked("dev", dev, set(map(oddities.text, train))) == []


def no_positives(train) -> list[str]:
    return oddities.no_positives(count_labels(train).statistics(LabelSchema(RELATIONS)))


def test_no_positive_pair():
    document, *_ = random_documents(1)
    (expected,) = no_positives([replace(document, triples=[])])
    assert expected == "no candidate pair of the training documents has a relation: there is nothing to learn"
    loop, outside = Triple(1, 1, "P1"), Triple(0, 1, "P1")
    assert no_positives([replace(document, triples=[loop, outside], pairs=[(2, 3)])]) == [expected]
    assert no_positives([replace(document, triples=[outside], pairs=[(0, 1)])]) == []


def test_no_labels():
    unlabeled = random_documents(2, labeled=False)
    assert oddities.unlabeled("test", unlabeled) == [
        "the test documents have no labels: they are predicted, not scored"
    ]
    assert oddities.unlabeled("test", [*unlabeled, random_documents(1)[0]]) == []


def test_relations_that_training_lacks():
    document, *_ = random_documents(1)
    dev = [replace(document, triples=[Triple(0, 1, f"X{i}") for i in range(7)])]
    (line,) = oddities.unseen_relations("dev", dev, relations_of(random_documents(3)))
    assert line == "7 relations of the dev documents never occur in training: 'X0', 'X1', 'X2', 'X3', 'X4', ..."


def test_documents_of_the_training_set():
    train = random_documents(5)
    same_title = replace(train[1], sentences=[*train[1].sentences, ["more"]])
    same_text = replace(train[2], title="another")
    dev = [replace(train[0], triples=[]), same_title, same_text, *random_documents(2, seed=3)]
    expected = "1 dev documents are also in the training set, word for word: 'doc 0'"
    assert oddities.leaked("dev", dev, set(map(oddities.text, train))) == [expected]


def test_mentions_beyond_the_limit(tiny_encoder):
    from docre.data.features import Featurizer
    from docre.models import load_tokenizer

    documents = random_documents(4)
    featurize = Featurizer(load_tokenizer(str(tiny_encoder)), LabelSchema(RELATIONS), 20)
    features = featurize(documents)
    mentions = sum(len(entity.mentions) for document in documents for entity in document.entities)
    cut = sum(f.cut_mentions for f in features)
    (line,) = oddities.cut_off("train", features, "data.max_tokens=20")
    assert 0 < cut < mentions
    assert line == (
        f"data.max_tokens=20 cuts off {cut} of {mentions} mentions ({100 * cut / mentions:.1f}%) of the train documents"
    )
    whole = [replace(f, cut_mentions=0) for f in features]
    assert oddities.cut_off("train", whole, "") == oddities.cut_off("train", [], "") == []
    one = [replace(whole[0], mentions=whole[0].mentions[:1].repeat(99, axis=0), cut_mentions=1)]
    assert oddities.cut_off("train", one, "") == []  # 1% exactly


def test_a_sample_of_many_documents(monkeypatch):
    """Whose documents are not computed if they are not looked at."""
    monkeypatch.setattr(oddities, "SAMPLE", 10)
    seen = []

    class Many(list):
        def __getitem__(self, index):
            seen.append(index)
            return SimpleNamespace(cut_mentions=1 + index % 2, mentions=[0] * 8)

    (line,) = oddities.cut_off("train", Many(range(41)), "x")
    assert seen == list(range(0, 41, 4))
    assert line == "x cuts off 11 of 99 mentions (11.1%) of the train documents (in every 4th)"
