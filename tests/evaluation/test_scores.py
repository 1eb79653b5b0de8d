"""Scores: the official scorer's values, a corpus scored by hand, and a brute-force scorer on random corpora."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docre.data.readers import read
from docre.documents import Prediction
from docre.errors import DocreError
from docre.evaluation import Evaluator, FactSet, TrainFacts, evaluate, read_submission, train_facts
from docre.evaluation.evaluator import FREQUENT
from docre.evaluation.scores import SLICES
from tests.conftest import ROOT
from tests.evaluation.brute_force import brute_force, corpora, document, submissions

TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def redocred(shared):
    gold = read(shared / "data/redocred/test_revised.json")
    return gold, train_facts(read(shared / "data/redocred/dev_revised.json"))


@pytest.fixture(scope="module")
def golden_submission(shared):
    return read_submission(shared / "golden/submission.json")


def test_official_scorer(shared, redocred, golden_submission):
    expected = json.loads((shared / "golden/evaluation.json").read_text())["expected"]
    gold, train = redocred
    scores = evaluate(golden_submission, gold, train)
    assert scores.p == pytest.approx(expected["re_p"], abs=TOLERANCE)
    assert scores.r == pytest.approx(expected["re_r"], abs=TOLERANCE)
    assert scores.f1 == pytest.approx(expected["re_f1"], abs=TOLERANCE)
    assert scores.ign_f1 == pytest.approx(expected["re_f1_ignore_train_annotated"], abs=TOLERANCE)
    assert scores.evidence.f1 == pytest.approx(expected["evi_f1"], abs=TOLERANCE)
    empty = evaluate(golden_submission, gold, TrainFacts(FactSet(), {}))
    key = "re_f1_ignore_train_distant(empty file)"
    assert empty.ign_f1 == pytest.approx(expected[key], abs=TOLERANCE)
    assert empty.ign_f1 != empty.f1


def test_takes_little_more_than_reading_the_file(shared, redocred, golden_submission):
    """Compared by processor time, as a busy machine slows both."""
    gold, train = redocred
    start = time.process_time()
    read(shared / "data/redocred/test_revised.json")
    middle = time.process_time()
    evaluate(golden_submission, gold, train)
    assert time.process_time() - middle < 4 * (middle - start)


def test_scores_of_the_fixture(fixtures):
    """The values that the brute-force scorer gave (tests/evaluation/make_fixture.py)."""
    synthetic = ROOT / "data" / "synthetic"
    gold, train = read(synthetic / "test.json"), train_facts(read(synthetic / "train.json"))
    scores = evaluate(read_submission(fixtures / "submission.json"), gold, train).to_json()
    for name, expected in json.loads((fixtures / "scores.json").read_text()).items():
        if isinstance(expected, dict):
            found = {key: scores[name][key] for key in expected}
            assert found == pytest.approx(expected, abs=TOLERANCE), name
        else:
            assert scores[name] == pytest.approx(expected, abs=TOLERANCE), name
    assert scores["ign_f1"] < scores["f1"] and scores["evidence"]["correct"] > 10


# By hand. "one" has three entities; 0 and 1 share sentence 0, and 2 is alone in sentence 1. Gold: four distinct triples
# in "one" (one of them given twice, its evidence the second time [1]), one in "two".
GOLD = [
    document(
        "one",
        3,
        [[("Ann", 0), ("Ann Lee", 2)], [("Bob", 0)], [("Cid", 1)]],
        [
            (0, 1, "spouse", 0, 2),
            (1, 0, "spouse", 0),
            (0, 2, "child", 0, 1),
            (1, 2, "child", 0),
            (1, 2, "child", 1),
        ],
    ),
    document("two", 2, [[("Ann", 0)], [("Rome", 0)]], [(0, 1, "born", 0)]),
    document("unlabeled", 1, [[("Ann", 0)], [("Bob", 0)]]),
]
# States: Ann Lee or A. spouse Bob or Bobby; Cid child Bob.
TRAIN = [
    document(
        "t",
        1,
        [[("Ann Lee", 0), ("A.", 0)], [("Bob", 0), ("Bobby", 0)], [("Cid", 0)]],
        [(0, 1, "spouse"), (0, 1, "spouse"), (2, 1, "child")],
    )
]
PREDICTIONS = [
    Prediction("one", 0, 1, "spouse", evidence=(0, 0, 1)),  # correct, intra, in train; evidence {0, 1}, 0 of it right
    Prediction("one", 0, 1, "spouse", evidence=(2,)),  # again: not counted
    Prediction("one", 1, 2, "child", evidence=(0, 1)),  # correct, inter; evidence {0, 1}, only 1 right
    Prediction("one", 2, 1, "child"),  # wrong, inter, though in train
    Prediction("one", 0, 9, "child", evidence=(7,)),  # no such entity, no such sentence: wrong, and one evidence wrong
    Prediction("two", 0, 1, "born"),  # correct, intra
    Prediction("two", 1, 1, "born"),  # head == tail: wrong, intra
    Prediction("three", 0, 1, "born", evidence=(0,)),  # no such document: wrong; its evidence is not counted
    Prediction("two", 0, 1, "eats"),  # no such relation: wrong, intra
    Prediction("unlabeled", 0, 1, "spouse"),  # left out
]


def test_by_hand():
    scores = evaluate(PREDICTIONS, GOLD, train_facts(TRAIN))
    assert (scores.all.gold, scores.all.predicted, scores.all.correct, scores.correct_in_train) == (5, 8, 3, 1)
    assert scores.p == pytest.approx(3 / 8)
    assert scores.r == pytest.approx(3 / 5)
    assert scores.f1 == pytest.approx(6 / 13)
    ign_p = 2 / 7.00001
    assert scores.ign_p == pytest.approx(ign_p, abs=1e-12)
    assert scores.ign_f1 == pytest.approx(2 * ign_p * 0.6 / (ign_p + 0.6), abs=1e-12)
    assert (scores.intra.gold, scores.intra.predicted, scores.intra.correct) == (3, 4, 2)
    assert (scores.inter.gold, scores.inter.predicted, scores.inter.correct) == (2, 2, 1)
    assert scores.frequent_relations == ("child", "spouse")  # of the training set, each once: alphabetical
    assert (scores.frequent.gold, scores.frequent.predicted, scores.frequent.correct) == (4, 4, 2)
    assert (scores.long_tail.gold, scores.long_tail.predicted, scores.long_tail.correct) == (1, 4, 1)
    # Gold evidence: 2 + 1 + 2 + 1 + 1 + 1 = 8.
    assert (scores.evidence.gold, scores.evidence.predicted, scores.evidence.correct) == (8, 5, 2)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 2 / 5 + 2 / 4) / 3)  # spouse, child, born; "eats" is not gold
    assert list(scores.per_relation) == ["child", "spouse", "born", "eats"]
    assert scores.per_relation["eats"].to_json() == {
        "p": 0,
        "r": None,
        "f1": None,
        "gold": 0,
        "predicted": 1,
        "correct": 0,
    }


def test_counts_by_document():
    """[gold, predicted, correct, correct training facts] for "one", "two", and unknown titles."""
    counts = evaluate(PREDICTIONS, GOLD, train_facts(TRAIN)).counts
    assert counts[:, SLICES.index("all")].tolist() == [[4, 4, 2, 1], [1, 3, 1, 0], [0, 1, 0, 0]]
    assert counts[:, SLICES.index("evidence")].tolist() == [[7, 5, 2, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_everything_odd_is_noted():
    notes = evaluate(PREDICTIONS, GOLD, train_facts(TRAIN)).notes
    assert notes == (
        "1 gold document of 3 without labels: left out",
        "1 duplicate gold label: not counted again",
        "1 prediction given again: counted once (first: 'one')",
        "1 prediction for unknown titles: counted as wrong (first: 'three')",
        "1 prediction for gold documents without labels: left out (first: 'unlabeled')",
        "1 prediction with entities that do not exist: counted as wrong (first: 'one')",
        "1 prediction of relations that neither gold nor training data has: counted as wrong (first: 'eats')",
        "1 prediction with head == tail: counted like any other (first: 'two')",
        "1 prediction with evidence sentences that do not exist: counted as wrong evidence (first: 'one')",
    )


def test_nothing_odd_no_notes():
    gold = GOLD[1:2]
    assert evaluate([Prediction("two", 0, 1, "born", evidence=(0,))], gold, train_facts(TRAIN)).notes == ()


def test_first_evidence_of_a_duplicate_counts():
    first, again = PREDICTIONS[:2]
    assert evaluate([first, again], GOLD).evidence == evaluate([first], GOLD).evidence
    assert evaluate([again, first], GOLD).evidence == evaluate([again], GOLD).evidence


def test_without_train_there_is_no_ign_f1():
    scores = evaluate(PREDICTIONS, GOLD)
    assert scores.ign_f1 is None
    assert scores.ign_p is None
    assert scores.to_json()["ign_f1"] is None
    assert scores.frequent_relations == ("child", "spouse", "born")  # of the gold data then


def test_gold_loops_are_counted():
    """DWIE in its original form has labels with head == tail."""
    gold = [document("a", 1, [[("Ann", 0)]], [(0, 0, "r")])]
    scores = evaluate([Prediction("a", 0, 0, "r")], gold)
    assert scores.f1 == 1
    assert scores.intra.correct == 1
    assert "1 gold label with head == tail: counted like any other" in scores.notes


def test_only_the_ten_most_frequent():
    triples = [(0, 1, f"r{i:02}") for i in range(12)] + [(1, 0, "r11")]
    scores = evaluate([], [document("a", 1, [[("Ann", 0)], [("Bob", 0)]], triples)])
    assert scores.frequent_relations == ("r11", *(f"r{i:02}" for i in range(FREQUENT - 1)))
    assert (scores.frequent.gold, scores.long_tail.gold) == (11, 2)


@pytest.mark.parametrize("predictions", [[], [Prediction("unlabeled", 0, 1, "r")]])
def test_no_predictions(predictions):
    scores = evaluate(predictions, GOLD, train_facts(TRAIN))
    assert (scores.p, scores.r, scores.f1, scores.ign_f1, scores.macro_f1) == (0, 0, 0, 0, 0)
    assert scores.intra.p is None
    assert scores.evidence is None
    assert "no predictions to score: precision is undefined and given as 0" in scores.notes


def test_labeled_documents_without_a_prediction_are_said():
    """A submission for one half of the test set gets a note, not just a low recall."""
    gold = [document(title, 1, [[("Ann", 0)], [("Bob", 0)]], [(0, 1, "r")]) for title in ("a", "b", "c")]
    gold.append(document("no relation", 1, [[("Ann", 0)], [("Bob", 0)]], []))
    scores = evaluate([Prediction("b", 1, 0, "r")], gold)
    assert "2 labeled documents without a prediction (first: 'a')" in scores.notes
    assert not any("without a prediction" in note for note in evaluate([], gold).notes)


def test_undefined_is_not_zero():
    """A document with one sentence, like all of DWIE's, has no inter-sentence pairs."""
    scores = evaluate([], [document("a", 1, [[("Ann", 0)], [("Bob", 0)]], [(0, 1, "r")])])
    assert scores.inter.to_json() == {"p": None, "r": None, "f1": None, "gold": 0, "predicted": 0, "correct": 0}
    assert scores.intra.f1 == 0


def test_gold_without_evidence():
    gold = [document("a", 1, [[("Ann", 0)], [("Bob", 0)]], [(0, 1, "r")])]
    scores = evaluate([Prediction("a", 0, 1, "r", evidence=(0,))], gold)
    assert scores.evidence is None
    assert scores.notes == ("the gold data has no evidence: evidence is not scored",)


def test_suspicious_training_files_are_noted():
    gold = [document("a", 1, [[(f"n{i}", 0)] for i in range(30)], [(i, i + 1, "r") for i in range(25)])]
    predictions = [Prediction("a", i, i + 1, "r") for i in range(25)]
    same = "25 of 25 correct predictions are training facts: is it the right file for Ign-F1?"
    assert evaluate(predictions, gold, train_facts(gold)).notes == (same,)
    other = "0 of 25 correct predictions are training facts: is it the right file for Ign-F1?"
    assert other in evaluate(predictions, gold, train_facts(TRAIN)).notes
    empty = "the training set states no facts: Ign-F1 leaves nothing out"
    assert evaluate(predictions, gold, train_facts([])).notes == (empty,)


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ([], "dev.json: no documents"),
        (GOLD[2:], "dev.json: none of 1 documents has labels"),
        ([document("a", 1, [], [])], "dev.json: no relation is labeled"),
        ([GOLD[0], GOLD[2], GOLD[0]], "dev.json: two documents have the title 'one'"),
    ],
)
def test_no_honest_score(gold, message):
    with pytest.raises(DocreError, match=message):
        Evaluator(gold, source="dev.json")


def test_the_evaluator_names_its_metric():
    scores = Evaluator(GOLD)(PREDICTIONS)
    assert getattr(scores, Evaluator.metric) == scores.f1
    assert Evaluator.higher_is_better
    assert json.loads(json.dumps(scores.to_json()))["f1"] == scores.f1


@settings(max_examples=150, deadline=None)
@given(predictions=submissions(), gold=corpora(), train=st.none() | corpora(titles="AB"))
def test_brute_force(predictions, gold, train):
    expected = brute_force(predictions, gold, train)
    scores = evaluate(predictions, gold, None if train is None else train_facts(train))
    compare_all(scores, expected)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_brute_force_with_a_long_tail(data):
    relations = [f"r{i}" for i in range(14)]
    gold = data.draw(corpora(relations=relations))
    predictions = data.draw(submissions(relations=relations))
    train = data.draw(st.none() | corpora(titles="AB", relations=relations[3:]))
    expected = brute_force(predictions, gold, train)
    scores = evaluate(predictions, gold, None if train is None else train_facts(train))
    compare_all(scores, expected)


def compare_all(scores, expected):
    got = scores.to_json()
    assert got["p"] == pytest.approx(expected["p"] or 0.0)
    for key in ("r", "f1", "macro_f1", "gold", "predicted", "correct"):
        assert got[key] == pytest.approx(expected[key]), key
    if expected["ign_f1"] is None:
        assert got["ign_f1"] is None
    else:
        assert got["ign_f1"] == pytest.approx(expected["ign_f1"], abs=1e-12)
    for key in ("intra", "inter", "frequent", "long_tail"):
        assert got[key] == pytest.approx(expected[key]), key
    evidence = expected["evidence"]
    if evidence["gold"] and evidence["predicted"]:
        assert got["evidence"] == pytest.approx(evidence)
    else:
        assert got["evidence"] is None
    assert got["per_relation"].keys() == expected["per_relation"].keys()
    for relation, value in expected["per_relation"].items():
        assert got["per_relation"][relation] == pytest.approx(value), relation


@settings(max_examples=100, deadline=None)
@given(predictions=submissions(), gold=corpora(), data=st.data())
def test_order_does_not_matter(predictions, gold, data):
    """Except for which of two duplicates gives the evidence."""
    predictions = [Prediction(p.title, p.head, p.tail, p.relation) for p in predictions]
    shuffled = data.draw(st.permutations(predictions))
    first, second = evaluate(predictions, gold).to_json(), evaluate(shuffled, gold[::-1]).to_json()
    first.pop("notes")
    second.pop("notes")
    assert first == second
