"""docre stats: counts equal published and slowly computed ones, lengths equal those of the features; every oddity."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docre.commands import stats
from docre.data.features import Featurizer
from docre.data.readers.docred import write_docred
from docre.data.schema import schema_of
from docre.data.statistics import statistics
from docre.documents import Document, Entity, Mention, Triple
from docre.errors import DocreError
from docre.models import load_tokenizer
from tests.data.strategies import documents
from tests.tiny import random_documents


def mention(start, end=None, sentence=0):
    return Mention("m", sentence, start, end or start + 1, "T")


ODD = [
    Document("a", [["w"] * 9, []], [Entity((mention(0), mention(2), mention(0))), Entity(()), Entity((mention(1),))]),
    Document(
        "a",
        [["w"] * 9],
        [Entity((mention(0),)), Entity((mention(3),)), Entity((mention(8),))],
        [Triple(0, 1, "r", (0,)), Triple(0, 1, "r"), Triple(1, 1, "s", (0,)), Triple(2, 0, "r", (0,))],
        [(0, 1), (1, 0)],
    ),
    Document("b", [["w"]], [], []),
    Document("c", [], []),
    Document(" ", [["w", "\xa0", ""]], [Entity((mention(0),)), Entity((mention(1),))], [Triple(0, 1, "", (0,))]),
]


def test_every_oddity_is_counted_with_its_first_place(tiny_encoder):
    found = {
        odd.kind: (odd.count, odd.example) for odd in statistics(ODD, load_tokenizer(str(tiny_encoder)), 12).oddities
    }
    assert found == {
        "blank title": (1, "document ' '"),
        "blank token": (2, "document ' ': sentence 0, token 1 ('\\xa0')"),
        "document without entities": (2, "document 'b'"),
        "document without text": (1, "document 'c'"),
        "duplicate label": (1, "document 'a': label 1 (0, 1, r)"),
        "duplicate title": (1, "'a'"),
        "empty sentence": (1, "document 'a': sentence 1"),
        "entity without mentions": (1, "document 'a': entity 1"),
        "label of no candidate pair": (1, "document 'a': label 3 (2, 0, r)"),
        "label with a blank relation": (1, "document ' ': label 0 (0, 1, )"),
        "label with head == tail": (1, "document 'a': label 2 (1, 1, s)"),
        "label without evidence": (1, "document 'a': label 1 (0, 1, r)"),
        "labeled document without triples": (1, "document 'b'"),
        "mention beyond 12 tokens": (1, "document 'a': a mention at token 13"),
        "mention listed twice": (1, "document 'a': entity 0, mention 2"),
    }


@given(st.lists(documents(), max_size=4))
def test_counts_by_definition(corpus):
    found = statistics(corpus)
    assert found.documents == len(corpus)
    assert found.labeled == len([d for d in corpus if d.triples is not None])
    assert found.entities == sum(len(d.entities) for d in corpus)
    assert found.mentions == sum(len(e.mentions) for d in corpus for e in d.entities)
    assert found.sentences == sum(len(d.sentences) for d in corpus)
    assert found.tokens == len([t for d in corpus for s in d.sentences for t in s])
    distinct = {(i, t.head, t.tail, t.relation) for i, d in enumerate(corpus) for t in d.triples or ()}
    assert found.distinct_triples == len(distinct) == sum(found.relations.values())
    assert found.relations == Counter(relation for *_, relation in distinct)
    assert list(found.relations.values()) == sorted(found.relations.values(), reverse=True)
    na = positive = 0
    for document in corpus:
        if document.triples is not None:
            pairs = [any((t.head, t.tail) == pair for t in document.triples) for pair in set(document.candidate_pairs)]
            positive += sum(pairs)
            na += len(document.candidate_pairs) - sum(pairs)
    assert found.positive_pairs == positive
    assert found.na_share == (pytest.approx(na / (na + positive)) if na + positive else None)


def test_lengths_and_cut_mentions_are_those_of_the_features(tiny_encoder):
    corpus = random_documents(20)
    tokenizer = load_tokenizer(str(tiny_encoder))
    whole = Featurizer(tokenizer, schema_of(corpus), 10**6)(corpus)
    cut = Featurizer(tokenizer, schema_of(corpus), 30)(corpus)
    found = statistics(corpus, tokenizer, 30)
    lengths = sorted(len(features.input_ids) for features in whole)
    assert found.lengths.max == lengths[-1] and found.lengths.mean == pytest.approx(sum(lengths) / 20)
    assert found.lengths.median == (lengths[9] + lengths[10]) / 2
    assert (found.lengths.over_512, found.lengths.over_limit) == (0, sum(length > 30 for length in lengths))
    beyond = {odd.kind: odd.count for odd in found.oddities}["mention beyond 30 tokens"]
    assert beyond == sum(features.cut_mentions for features in cut) > 0


@pytest.mark.parametrize(
    ("file", "reader", "counts"),
    [
        ("redocred/dev_revised.json", "docred", {"documents": 500, "triples": 17284, "entities": 9684}),
        ("redocred/test_revised.json", "docred", {"documents": 500, "triples": 17448, "entities": 9779}),
        ("docred/test.json", "docred", {"documents": 1000, "labeled": 0, "triples": 0, "na_share": None}),
        ("dwie/dev.json", "docred", {"documents": 98, "triples": 2624, "distinct_triples": 2620}),
        ("dwie/test.json", "docred", {"documents": 99, "triples": 2459, "distinct_triples": 2453}),
        ("cdr/train_filter.data", "cdr", {"documents": 500, "triples": 1038, "pairs": 5240}),
        ("cdr/dev_filter.data", "cdr", {"documents": 500, "triples": 1012, "pairs": 5087}),
        ("cdr/test_filter.data", "cdr", {"documents": 500, "triples": 1066, "pairs": 5204}),
    ],
)
def test_published_counts(shared, tmp_path, capsys, file, reader, counts):
    stats.main([str(shared / "data" / file), "--reader", reader, "--json", str(tmp_path / "s.json")])
    found = json.loads((tmp_path / "s.json").read_text())
    assert {key: found[key] for key in counts} == counts
    duplicates = {odd["kind"]: odd["count"] for odd in found["oddities"]}.get("duplicate label", 0)
    assert duplicates == found["triples"] - found["distinct_triples"]
    assert f"{found['triples']:,}" in capsys.readouterr().out or not found["labeled"]


def test_the_table(tmp_path, capsys, tiny_encoder):
    corpus = [
        Document("t", [["w1", "w2"]], [Entity((mention(0),)), Entity((mention(1),))], [Triple(0, 1, "P17", (0,))] * 2)
    ]
    write_docred(tmp_path / "f.json", corpus)
    stats.main([str(tmp_path / "f.json"), "--encoder", str(tiny_encoder)])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for expected in (
        "documents 1",
        "tokens 2 2.0 a document",
        "triples 2 2.0 a document, 1 distinct",
        "positive 1 NA share 50.00%",
        "tokens of the encoder per document: mean 8.0, median 8, max 8",
        "documents over 512 tokens: 0, over 1,024: 0",
        "1 P17 country",
        "1 duplicate label, as in document 't': label 1 (0, 1, P17)",
    ):
        assert expected in lines
    (tmp_path / "mine.json").write_text('{"P17": "my country"}')
    stats.main([str(tmp_path / "f.json"), "--relations", str(tmp_path / "mine.json")])
    assert "P17  my country" in capsys.readouterr().out


def test_nothing_at_all(tmp_path, capsys):
    (tmp_path / "f.json").write_text("[]")
    stats.main([str(tmp_path / "f.json")])
    assert "1  file without documents, as in this file" in capsys.readouterr().out


def test_a_limit_too_small_is_an_error(tmp_path):
    with pytest.raises(DocreError, match="--max-tokens: expected at least 8"):
        stats.main(["f.json", "--max-tokens", "3"])


def test_pairs_are_counted_without_a_list_of_them():
    """A document of some kilobytes may have millions."""
    entities = [Entity((Mention("x", 0, 0, 1, "T"),))] * 3000
    document = Document("a", [["x"]], entities, [Triple(0, 2999, "P1"), Triple(1, 1, "P1")])
    found = statistics([document])
    assert (found.pairs, found.positive_pairs) == (3000 * 2999, 1) and "candidate_pairs" not in vars(document)


@given(documents())
def test_counted_pairs_are_those_that_are_listed(document):
    entities = range(len(document.entities))
    pairs = [(head, tail) for head in entities for tail in entities]
    assert document.num_candidate_pairs == len(document.candidate_pairs)
    assert document.among_candidates(pairs) == set(document.candidate_pairs)
