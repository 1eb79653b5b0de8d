"""Long documents read in parts, against documents that are cut by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.analysis.calibration import Calibration
from docre.analysis.platt import Platt
from docre.data.features import UNLIMITED, Features
from docre.documents import Document, Entity
from docre.errors import DocreError
from docre.inference.ensemble import Ensemble
from docre.inference.methods import INFERENCES
from docre.inference.methods.parts import NEVER, divide
from docre.inference.predictor import Predictor
from docre.inference.probe import margin_table
from tests.inference.test_predictor import make
from tests.tiny import RELATIONS, random_document, random_documents

LONG = [random_document(seed, entities=7, sentences=12) for seed in range(4)]


@pytest.fixture(scope="module")
def model(tiny_encoder) -> Predictor:
    return make(tiny_encoder, data={"train": "t", "max_tokens": 4096}, evaluation={"evidence_threshold": 0.1})


def with_parts(model: Predictor, tokens: int) -> Predictor:
    model.inference = INFERENCES.build("parts", {"tokens": tokens})
    return model


def section(document: Document, first: int, last: int) -> tuple[Document, list[int]]:
    """The document of some sentences of a document, and the entities that it mentions."""
    entities, kept = [], []
    for e, entity in enumerate(document.entities):
        mentions = [replace(m, sentence=m.sentence - first) for m in entity.mentions if first <= m.sentence < last]
        if mentions:
            entities.append(Entity(tuple(mentions)))
            kept.append(e)
    return Document(document.title, document.sentences[first:last], entities, []), kept


def sections(model: Predictor, document: Document, tokens: int) -> list[tuple[int, int]]:
    """The first and the last sentence (excluded) of each part, sentence by sentence."""
    lengths = [len(model.featurize([section(document, s, s + 1)[0]])[0].input_ids) - 2 for s in range(12)]
    found, first = [], 0
    while True:
        last = first + 1
        while last < 12 and 2 + sum(lengths[first : last + 1]) <= tokens:
            last += 1
        found.append((first, last))
        if last == 12:
            return found
        following = first + 1
        while sum(lengths[first : following + 1]) <= sum(lengths[first:last]) / 2:
            following += 1
        while 2 + sum(lengths[following : last + 1]) > tokens and following < last:
            following += 1
        first = following


@pytest.mark.parametrize("top_k", [4, 1])
@pytest.mark.parametrize("tokens", [20, 40])
def test_the_same_as_documents_cut_by_hand(tiny_encoder, tokens, top_k):
    """The best margin of each triple, and all triples, over the parts; evidence of the part with the best margin."""
    evaluation = {"evidence_threshold": 0.1, "top_k": top_k}
    model = make(tiny_encoder, data={"train": "t", "max_tokens": 4096}, evaluation=evaluation)
    medians = np.median(margin_table(model, LONG).margins, axis=0)
    model.loss.margin_shift = -torch.from_numpy(medians)  # so that parts predict different relations
    divided = apart = beyond = 0
    for document in LONG:
        model.inference = INFERENCES.build("plain", {})
        margins: dict[tuple[int, int], np.ndarray] = {}
        scores: dict[tuple[int, int], np.ndarray] = {}
        predicted: dict[tuple[int, int], set[str]] = {}
        evidence: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {}
        for first, last in sections(model, document, tokens):
            part, kept = section(document, first, last)
            divided += 1
            (features,) = model.featurize([part])
            own = margin_table(model, [part])
            for (h, t), row, score in zip(features.pairs.tolist(), own.margins, own.scores, strict=True):
                pair = kept[h], kept[t]
                higher = row > margins.get(pair, -np.inf)
                margins[pair] = np.where(higher, row, margins.get(pair, row))
                scores[pair] = np.where(higher, score, scores.get(pair, score))
                found = [p for p in model.predict([part])[0] if (p.head, p.tail) == (h, t)]
                predicted.setdefault(pair, set()).update(p.relation for p in found)
                if row.max() > evidence.get(pair, (-np.inf,))[0]:
                    sentences = tuple(first + s for s in found[0].evidence) if found else ()
                    evidence[pair] = (row.max(), sentences)
        with_parts(model, tokens)
        (whole,) = model.featurize([document])
        table = margin_table(model, [document]).margins
        for (h, t), row in zip(whole.pairs.tolist(), table, strict=True):
            np.testing.assert_allclose(row, margins.get((h, t), np.full(5, NEVER)), atol=2e-4)
            apart += (h, t) not in margins
        triples = model.predict([document])[0]
        expected = set()
        for pair, relations in predicted.items():
            best = sorted(relations, key=lambda r: -scores[pair][RELATIONS.index(r)])
            expected |= {(*pair, relation) for relation in best[:top_k]}
            beyond += len(best) > top_k
        assert {(p.head, p.tail, p.relation) for p in triples} == expected
        assert all(p.evidence == evidence[p.head, p.tail][1] for p in triples)
    assert divided > 12 and apart > 3 and (beyond > 3 or top_k == 4 or tokens == 20)


def test_a_document_that_fits_is_read_whole(model):
    short = random_documents(6, seed=5)
    model.inference = INFERENCES.build("plain", {})
    whole = model.predict(short)
    assert with_parts(model, 512).predict(short) == whole and sum(map(len, whole)) > 10


@settings(max_examples=300, deadline=None)
@given(lengths=st.lists(st.integers(0, 30), max_size=20), tokens=st.integers(8, 60))
def test_division(lengths, tokens):
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    empty = np.zeros((0, 2), dtype=np.int64)
    document = Features(
        title="x",
        input_ids=np.zeros(len(sentence) + 2, dtype=np.int64),
        mentions=empty,
        mention_entity=empty[:, 0],
        num_entities=0,
        pairs=empty,
        contexts=empty,
        pair_context=empty[:, 0],
        labels=None,
        token_sentence=np.concatenate([[-1], sentence, [-1]]),
        num_sentences=len(lengths),
        evidence=empty,
        cut_mentions=0,
        targets={},
    )
    parts = [part.nonzero()[0].tolist() for part in divide(document, tokens)]
    assert sorted({s for part in parts for s in part}) == list(range(len(lengths)))
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        assert part == list(range(part[0], part[-1] + 1)) if lengths else part == []
        size = sum(lengths[s] for s in part)
        assert size + 2 <= tokens or sum(lengths[s] > 0 for s in part) == 1
        if following is not None:
            assert part[0] < following[0] <= part[-1] + 1 and following[-1] > part[-1]
            apart = sum(lengths[s] for s in part if s < following[0] - 1)
            no_longer = sum(lengths[following[0] - 1 : part[-1] + 2]) + 2 > tokens
            assert apart <= size / 2 or no_longer


def test_texts_beyond_the_limit_are_read_in_parts(tiny_encoder, model):
    """Documents are cut off there, as published; plain texts are not. An ensemble does the same."""
    limited = make(tiny_encoder, data={"train": "t", "max_tokens": 40}, evaluation={"evidence_threshold": 0.1})
    texts = [*random_documents(2, seed=5), LONG[0], *random_documents(1, seed=6), LONG[1]]
    found = limited.predict_features(limited.featurize(texts, UNLIMITED))
    with_parts(model, 40)
    expected = model.predict_features(model.featurize(texts))
    for one, other in zip(found, expected, strict=True):
        assert [replace(p, score=0, margin=0) for p in one] == [replace(p, score=0, margin=0) for p in other] != []
        assert [p.margin for p in one] == pytest.approx([p.margin for p in other], abs=1e-4)
    assert found[2] != limited.predict_features(limited.featurize(texts))[2]
    limited.use(Calibration(limited.schema.relations, (0.0,) * 5, "test", platt=Platt(1.0, 0.0)))
    both = Ensemble([limited, limited])
    for text in (texts[0], LONG[0]):
        (view,), (own,) = both.featurize([text], UNLIMITED), limited.featurize([text], UNLIMITED)
        assert both.apart(view).tolist() == limited.apart(own).tolist() == model.apart(own).tolist()
    assert limited.apart(own).any()
    again = both.predict_features(both.featurize(texts, UNLIMITED))
    assert [[(p.head, p.tail, p.relation) for p in one] for one in again] == [
        [(p.head, p.tail, p.relation) for p in one] for one in found
    ]


def test_what_is_wrong_is_said(model):
    with pytest.raises(DocreError, match="tokens: expected at least 8, got 7"):
        INFERENCES.build("parts", {"tokens": 7})
