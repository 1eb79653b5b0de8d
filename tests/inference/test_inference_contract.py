"""The contract of inferences, tested for every registered one. A new one is covered as soon as its file exists."""

import math

import numpy as np
import pytest
import torch

import docre
from docre.analysis import Calibration
from docre.config.loading import validate
from docre.core.registry import describe
from docre.data.limits import Limits
from docre.data.schema import LabelSchema
from docre.errors import DocreError
from docre.inference.checkpoint import save
from docre.inference.methods import INFERENCES, PairScores
from docre.inference.predictor import Predictor
from docre.inference.probe import margin_table
from docre.models import load_pretrained, load_tokenizer
from tests.tiny import RELATIONS, random_document, random_documents

every_inference = pytest.mark.parametrize("name", list(INFERENCES))
DOCUMENTS = random_documents(4, seed=3, sentences=4)


@pytest.fixture
def predictor(name, tiny_encoder) -> Predictor:
    """A model that predicts much, with evidence, whose inference is fitted."""
    values = {
        "output": "x",
        "data": {"train": "x"},
        "encoder": {"name": str(tiny_encoder)},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atl"},
        "inference": {"name": name},
        "evaluation": {"evidence_threshold": 0.2},
    }
    torch.manual_seed(2)
    encoder = str(tiny_encoder)
    schema = LabelSchema(RELATIONS)
    made = Predictor(validate(values, "test"), schema, load_tokenizer(encoder), load_pretrained(encoder))
    made.fit_inference(made.prepare(random_documents(4, seed=1, sentences=4)))
    return made


def scores(predictor: Predictor, documents=DOCUMENTS) -> list[dict[str, np.ndarray]]:
    """Everything that the inference says of each document, by pair. Fails if a pair is missing or is there twice."""
    features = predictor.prepare(documents)
    found: list[list[tuple]] = [[] for _ in features]

    def keep(document, pair, part: PairScores) -> None:
        for row in range(len(pair)):
            evidence = () if part.evidence is None else part.evidence[row].nonzero().flatten().tolist()
            entry = (int(pair[row]), part.scores[row], part.margins[row], part.predicted[row], evidence)
            found[document[row]].append(entry)

    predictor.score(features, keep, "x")
    made = []
    for f, rows in zip(features, found, strict=True):
        rows.sort(key=lambda row: row[0])
        assert [row[0] for row in rows] == list(range(len(f.pairs)))
        columns = {key: np.array([row[i].tolist() for row in rows]) for i, key in ((1, "s"), (2, "m"), (3, "p"))}
        made.append(columns | {"e": [row[4] for row in rows]})
        assert all(sentence < f.num_sentences for row in rows for sentence in row[4])
    return made


@every_inference
def test_says_what_it_is(name):
    doc = INFERENCES[name].__doc__ or ""
    assert "Parameters" in doc and describe(name, INFERENCES[name], 0)
    assert not INFERENCES[name].needs_fit or INFERENCES[name].reference


@every_inference
def test_each_pair_once_and_what_is_predicted_has_a_positive_margin(name, predictor):
    total = 0
    for document in scores(predictor):
        assert np.isfinite(document["s"]).all() and np.isfinite(document["m"]).all()
        assert document["s"].shape == document["m"].shape == document["p"].shape
        assert (document["m"][document["p"]] > 0).all()
        total += document["p"].sum()
    assert total > 10


@every_inference
@pytest.mark.parametrize("shift", [3.0, -0.5])
def test_a_calibration_shifts_the_margins_by_as_much_as_it_says(name, predictor, shift):
    shifts = np.linspace(0, shift, len(RELATIONS))
    expected = margin_table(predictor, DOCUMENTS).shifted(shifts, predictor.top_k)
    predictor.use(Calibration(RELATIONS, tuple(shifts), "a test"))
    found = margin_table(predictor, DOCUMENTS)
    np.testing.assert_allclose(found.margins, expected.margins, atol=1e-5)
    near = (np.abs(found.margins) < 1e-4).any(axis=1)
    assert np.array_equal(found.predicted[~near], expected.predicted[~near])


@every_inference
def test_limits_and_neighbors_change_nothing(name, predictor):
    whole = scores(predictor)
    alone = [scores(predictor, [document])[0] for document in DOCUMENTS]
    predictor.limits = Limits(7, 60)
    for parts in (alone, scores(predictor)):
        for a, b in zip(whole, parts, strict=True):
            np.testing.assert_allclose(a["m"], b["m"], atol=1e-4)
            near = (np.abs(a["m"]) < 1e-3).any(axis=1)
            assert np.array_equal(a["p"][~near], b["p"][~near])


@every_inference
def test_documents_without_pairs(name, predictor):
    assert predictor.predict([random_document(1, entities=0), random_document(2, entities=1)]) == [[], []]
    assert predictor.predict([]) == []


@every_inference
def test_saved_and_loaded_it_predicts_the_same(name, predictor, tmp_path):
    """What was fitted are finite numbers, and is in the checkpoint; without it nothing is predicted."""
    assert bool(predictor.inference.fitted) == INFERENCES[name].needs_fit
    assert all(isinstance(x, float) and math.isfinite(x) for x in predictor.inference.fitted.values())
    save(predictor, tmp_path / "c")
    assert docre.load(tmp_path / "c", "cpu").predict(DOCUMENTS) == predictor.predict(DOCUMENTS)
    predictor.inference.fitted = {}
    if INFERENCES[name].needs_fit:
        with pytest.raises(DocreError, match="has to be fitted first"):
            predictor.predict(DOCUMENTS)
