"""Bootstrap: equal to scoring each sample as a corpus of its own, and to results that are known in theory."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from docre.documents import Prediction
from docre.errors import DocreError
from docre.evaluation import bootstrap, evaluate, train_facts
from docre.evaluation.bootstrap import compare, draws, intervals
from tests.evaluation.brute_force import brute_force, corpora, document, submissions

SAMPLES = 12


def slow_samples(predictions, gold, train, samples, seed):
    """The brute-force scores of each sample, as a corpus in which each document occurs as often as it was drawn."""
    labeled = [doc for doc in gold if doc.triples is not None]
    titles = [doc.title for doc in gold]
    for weights in np.concatenate(list(draws(len(labeled), samples, seed))).tolist():
        sample, predicted = [], [p for p in predictions if p.title not in titles]
        for doc, times in zip(labeled, weights, strict=True):
            for copy in range(int(times)):
                title = f"{doc.title}{copy}"
                sample.append(replace(doc, title=title))
                predicted += [replace(p, title=title) for p in predictions if p.title == doc.title]
        if any(doc.triples for doc in sample):
            scores = brute_force(predicted, sample, train)
            yield scores | {f"{name}_f1": scores[name]["f1"] for name in ("intra", "inter", "evidence")}
        else:
            yield None


@settings(max_examples=40, deadline=None)
@given(predictions=submissions(), gold=corpora(), train=corpora(titles="AB"))
def test_intervals_equal_a_slow_loop(predictions, gold, train):
    scores = evaluate(predictions, gold, train_facts(train))
    got = intervals(scores, SAMPLES, seed=3)
    rows = [row for row in slow_samples(predictions, gold, train, SAMPLES, 3) if row is not None]
    names = ["p", "r", "f1", "ign_f1", "intra_f1", "inter_f1"]
    if scores.evidence is None:
        assert "evidence_f1" not in got
    else:
        names.append("evidence_f1")
    for name in names:
        values = [row[name] for row in rows if row[name] is not None]
        assert (name in got) == bool(values), name
        if values:
            expected = np.percentile(values, [2.5, 97.5])
            assert (got[name].low, got[name].high) == pytest.approx(tuple(expected), abs=1e-12), name


@settings(max_examples=40, deadline=None)
@given(predictions=submissions(), other=submissions(), gold=corpora(), train=corpora(titles="AB"))
def test_comparison_equals_a_slow_loop(predictions, other, gold, train):
    facts = train_facts(train)
    got = compare(evaluate(predictions, gold, facts), evaluate(other, gold, facts), SAMPLES, seed=5)
    rows = slow_samples(predictions, gold, train, SAMPLES, 5)
    others = slow_samples(other, gold, train, SAMPLES, 5)
    pairs = [(a, b) for a, b in zip(rows, others, strict=True) if a is not None]
    for name in ("f1", "ign_f1"):
        values = [a[name] - b[name] for a, b in pairs]
        low, high = np.percentile(values, [2.5, 97.5])
        assert got[name].low == pytest.approx(low, abs=1e-12)
        assert got[name].high == pytest.approx(high, abs=1e-12)
        assert got[name].value == pytest.approx(
            brute_force(predictions, gold, train)[name] - brute_force(other, gold, train)[name], abs=1e-12
        )
        below, above = sum(v <= 0 for v in values), sum(v >= 0 for v in values)
        assert got[name].p_value == pytest.approx(min(1, 2 * (1 + min(below, above)) / (len(values) + 1)))


def corpus(size, right):
    """`size` documents with one triple each, and two submissions of one prediction each, right where `right` says."""
    gold = [document(str(i), 1, [[("Ann", 0)], [("Bob", 0)]], [(0, 1, "r")]) for i in range(size)]
    return gold, [Prediction(str(i), 0, 1, "r" if right[i] else "wrong") for i in range(size)]


def test_interval_of_a_mean():
    """Here P is the mean of D coin tosses, with the standard error sqrt(p (1 - p) / D)."""
    size = 400
    gold, predictions = corpus(size, [i % 4 != 0 for i in range(size)])
    interval = intervals(evaluate(predictions, gold), 4000)["p"]
    error = 1.96 * math.sqrt(0.75 * 0.25 / size)
    assert interval.low == pytest.approx(0.75 - error, abs=0.006)
    assert interval.high == pytest.approx(0.75 + error, abs=0.006)


def test_perfect_is_certain():
    gold, predictions = corpus(20, [True] * 20)
    assert intervals(evaluate(predictions, gold), 100)["f1"] == bootstrap.Interval(1.0, 1.0)


def test_seeded_and_independent_of_chunks(monkeypatch):
    gold, predictions = corpus(30, [i % 3 != 0 for i in range(30)])
    scores = evaluate(predictions, gold)
    first = intervals(scores, 100, seed=1)
    assert intervals(scores, 100, seed=1) == first
    assert intervals(scores, 100, seed=2) != first
    monkeypatch.setattr(bootstrap, "CHUNK", 70)
    assert intervals(scores, 100, seed=1) == first


def test_every_sample_has_as_many_documents():
    drawn = np.concatenate(list(draws(7, 50, 0)))
    assert drawn.shape == (50, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert (drawn == 0).any()


def test_paired_test():
    size = 200
    generator = random.Random(0)
    good = [generator.random() < 0.9 for _ in range(size)]
    worse = [right and generator.random() < 0.8 for right in good]
    gold, predictions = corpus(size, good)
    scores, other = evaluate(predictions, gold), evaluate(corpus(size, worse)[1], gold)
    forth, back, same = compare(scores, other), compare(other, scores), compare(scores, scores)
    assert forth["f1"].value > 0
    assert forth["f1"].low > 0
    assert forth["f1"].p_value == pytest.approx(2 / 1001)
    assert back["f1"].value == -forth["f1"].value
    assert back["f1"].p_value == forth["f1"].p_value
    assert back["f1"].low == pytest.approx(-forth["f1"].high)
    assert (same["f1"].value, same["f1"].low, same["f1"].high, same["f1"].p_value) == (0, 0, 0, 1)
    # Unlike errors that are not the same documents': each as good as the other.
    swapped = evaluate(corpus(size, good[::-1])[1], gold)
    assert compare(scores, swapped)["f1"].p_value > 0.2


def test_undefined_scores_have_no_interval():
    gold = corpus(3, [True] * 3)[0]
    got = intervals(evaluate([], gold), 10)
    assert not {"p", "ign_f1", "inter_f1", "evidence_f1"} & got.keys()
    assert got["f1"] == bootstrap.Interval(0.0, 0.0)


@pytest.mark.parametrize("samples", [0, -1, bootstrap.MOST_SAMPLES + 1])
def test_number_of_samples(samples):
    gold, predictions = corpus(2, [True, False])
    with pytest.raises(DocreError, match=r"expected 1 to 100000 samples"):
        intervals(evaluate(predictions, gold), samples)


def test_only_on_the_same_gold_data():
    gold, predictions = corpus(4, [True] * 4)
    with pytest.raises(DocreError, match="same gold data"):
        compare(evaluate(predictions, gold), evaluate(predictions, gold[:3]))
