"""Names, candidate spans, scores and clusters equal slow, independent computations."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.entities.checkpoint import load
from docre.entities.finder import without_overlaps
from docre.entities.linkage import Tree
from docre.entities.names import Names
from docre.entities.shapes import KINDS, kind
from tests.entities import slow
from tests.entities.corpus import document

WORDS = st.sampled_from("Ada Lovelace United Nations UN U.N. the of Bank bank Über 東京".split())
NAME = st.lists(WORDS, min_size=1, max_size=4)


@settings(max_examples=100, deadline=None)
@given(st.lists(NAME, min_size=1, max_size=6), st.data())
def test_names_are_compared_as_defined(names, data):
    positions = data.draw(st.lists(st.integers(0, 5000), min_size=len(names), max_size=len(names)))
    compared = Names(names, positions).compare(slice(None))
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            expected = [*slow.comparison(one, other), np.log1p(abs(positions[i] - positions[j])) / 10]
            assert compared[i, j, [0, 1, 2, 3, 5]] == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(compared, compared.swapaxes(0, 1)) and compared.min() >= 0 and compared.max() <= 1


def test_acronyms():
    compared = Names([["United", "Nations"], ["UN"], ["U.N."], ["un"], ["Universal", "Nut"]], [0] * 5).compare(
        slice(None)
    )
    assert compared[0, :, 4].tolist() == [0, 1, 1, 0, 0] and compared[4, :, 4].tolist() == [0, 1, 1, 0, 0]


SQUARES = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.floats(0, 1, width=32), min_size=n * n, max_size=n * n).map(
        lambda values: np.array(values, dtype=np.float32).reshape(n, n)
    )
)


@settings(max_examples=150, deadline=None)
@given(SQUARES, st.floats(0.05, 0.95), st.sampled_from(["average", "complete"]))
def test_clusters_equal_those_of_a_slow_clustering(square, threshold, method):
    same = (square + square.T) / 2
    np.fill_diagonal(same, 1)
    flat = same[np.triu_indices(len(same), 1)]
    if len(np.unique(np.round(flat, 4))) < len(flat) or np.any(abs(flat - threshold) < 1e-3):
        return  # which of equally similar clusters are joined first is not defined
    found = Tree.of(same, method).cut(threshold)
    expected = slow.clusters(same, threshold, method)
    assert sorted(map(sorted, found)) == expected
    scores = Tree.of(same, method).scores(found)
    assert len(scores) == len(found) and all(0 <= score <= 1 for score in scores)


def slow_scores(same, clusters) -> list[float]:
    """By the definition, pair by pair."""
    found = []
    for own in clusters:
        pairs = [float(same[i, j]) for i in own for j in own if i != j]
        inside = sum(pairs) / len(pairs) if pairs else 1.0
        others = [np.mean([float(same[i, j]) for i in own for j in other]) for other in clusters if other is not own]
        found.append(min(1.0, max(0.0, inside * (1 - max(others, default=0.0)))))
    return found


@settings(max_examples=100, deadline=None)
@given(SQUARES, st.data())
def test_cluster_scores_by_definition(square, data):
    same = (square + square.T) / 2
    of_mention = data.draw(st.lists(st.integers(0, 3), min_size=len(same), max_size=len(same)))
    clusters = [[i for i, c in enumerate(of_mention) if c == k] for k in dict.fromkeys(of_mention)]
    assert Tree(same, None).scores(clusters) == pytest.approx(slow_scores(same, clusters), abs=1e-5)
    assert Tree(same[:0, :0], None).scores([]) == []


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("the", "lowercase"),
        ("Ada", "capitalized"),
        ("A", "capitalized"),
        ("D.", "capitalized"),
        ("Jean-luc", "capitalized"),
        ("UN", "uppercase"),
        ("U.N.", "uppercase"),
        ("McCartney", "mixed"),
        ("Jean-Luc", "mixed"),
        ("1,234", "number"),
        ("19th", "number and letters"),
        ("--", "no letter"),
        ("eBay", "other"),
        ("東京", "other"),
    ],
)
def test_kinds_of_words(word, expected):
    assert KINDS[kind(word)] == expected


def test_many_single_mentions_are_scored_in_time():
    same = np.full((3000, 3000), 0.25, dtype=np.float32)
    start = time.process_time()
    assert Tree(same, None).scores([[i] for i in range(3000)])[:2] == pytest.approx([0.75, 0.75])
    assert time.process_time() - start < 10


def test_cluster_scores_by_hand():
    same = np.array([[1, 0.8, 0.1], [0.8, 1, 0.3], [0.1, 0.3, 1]], dtype=np.float32)
    tree = Tree.of(same, "average")
    assert tree.cut(0.5) == [[0, 1], [2]]
    assert tree.scores([[0, 1], [2]]) == pytest.approx([0.8 * (1 - 0.2), 1 - 0.2])


def test_of_overlapping_spans_the_most_probable_is_kept():
    start, length = np.array([5, 6, 8, 20]), np.array([2, 2, 1, 3])
    assert without_overlaps(start, length, np.array([0.5, 0.9, 0.4, 0.2])).tolist() == [1, 2, 3]
    assert without_overlaps(start, length, np.array([0.95, 0.9, 0.4, 0.2])).tolist() == [0, 2, 3]
    assert without_overlaps(start[:0], length[:0], np.array([])).tolist() == []


def test_scores_equal_those_of_single_spans_and_pairs(entity_run):
    """Of two documents in one batch, the longer of which has two windows."""
    finder = load(entity_run, "cpu")
    documents = [document(1), document(2, sentences=9)]
    features = finder.featurize(documents)
    batch = finder.collate(features)
    model = finder.model
    with torch.inference_mode():
        tokens, _ = model.encoder(batch)
        words = model.words(batch)
        logits = model.span_logits(model.span_sides(*words), batch.span_start, batch.span_length)
        place, token, checked = 0, 0, 0
        for f in features:
            for start in range(len(f.texts)):
                for end in range(start + 1, min(start + finder.config.entities.max_words, int(f.words[start, 2])) + 1):
                    expected = slow.span_logits(model, tokens[token:], f, start, end)
                    torch.testing.assert_close(logits[place], expected, atol=1e-4, rtol=1e-4)
                    place, checked = place + 1, checked + 1
            token += len(f.input_ids)
        assert place == len(logits) == checked > 100
        (spans, *_) = finder.spans(features)
        found = finder.join(spans, features[0])
        names = [features[0].texts[s : s + n] for s, n in zip(spans.start, spans.length, strict=True)]
        compared = torch.from_numpy(Names(names, spans.start.tolist()).compare(slice(None)))
        assert len(names) > 3
        for i in range(len(names)):
            vector = slow.mention(model, tokens, features[0], spans.start[i], spans.start[i] + spans.length[i])
            torch.testing.assert_close(spans.vectors[i], vector, atol=1e-4, rtol=1e-4)
            for j in range(len(names)):
                if i != j:
                    logit = slow.pair_logit(model, spans.vectors[i], spans.vectors[j], compared[i, j])
                    assert found.tree.same[i, j] == pytest.approx(float(logit.sigmoid()), abs=1e-4)


def test_small_tiles_give_the_same(entity_run, monkeypatch):
    finder = load(entity_run, "cpu")
    texts = [replace(document(seed, sentences=6), entities=(), triples=None) for seed in (4, 5)]
    whole = finder.tag(texts)
    monkeypatch.setattr("docre.entities.finder.SPANS_AT_ONCE", 7)
    monkeypatch.setattr("docre.entities.finder.PAIRS_AT_ONCE", 5)
    assert [tagged for tagged, *_ in finder.tag(texts)] == [tagged for tagged, *_ in whole]
