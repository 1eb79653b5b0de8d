"""Ensembles: the mean of probabilities by a slow reference, a checkpoint with itself, and members that differ."""

import json
import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import docre
from docre.__main__ import main
from docre.analysis.calibration import Calibration
from docre.analysis.platt import Platt
from docre.commands import calibrate, evaluate, extract, predict
from docre.config.loading import validate
from docre.data.readers.docred import write_docred
from docre.data.schema import LabelSchema
from docre.documents import Document, Prediction
from docre.errors import DocreError
from docre.evaluation import evaluate as scores_of
from docre.inference import ensemble as ensembles
from docre.inference.checkpoint import save
from docre.inference.ensemble import Ensemble, likeliest, log_odds_of_mean
from docre.inference.methods import PairScores
from docre.inference.predictor import Predictor
from docre.inference.probe import margin_table
from docre.models import load_pretrained, load_tokenizer
from tests.tiny import RELATIONS, WORDS, random_document, random_documents, save_tiny_encoder

DOCUMENTS = random_documents(5, seed=3, sentences=4)
MIXED = tuple(RELATIONS[i] for i in (3, 0, 4, 1, 2))
GROUPS = {"name": "amtl", "groups": [[0, 1], [2, 3, 4]]}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, Path]:
    """Two tiny encoders: one knows all words, the other only some, so that its features are others."""
    folder = tmp_path_factory.mktemp("encoders")
    return {
        "all": save_tiny_encoder(folder / "all"),
        "some": save_tiny_encoder(folder / "some", [*WORDS[:9], *(f"##{i}" for i in range(10)), "w"]),
    }


def member(encoder: Path, seed: int = 1, relations=RELATIONS, platt=(0.7, -1.0), shift=None, **changes) -> Predictor:
    """A model with random weights that predicts much, with a calibration."""
    values = {
        "output": "x",
        "data": {"train": "x"},
        "encoder": {"name": str(encoder)},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atl"},
        "training": {"precision": "fp32"},
    } | changes
    torch.manual_seed(seed)
    tokenizer, backbone = load_tokenizer(str(encoder)), load_pretrained(str(encoder))
    made = Predictor(validate(values, "test"), LabelSchema(relations), tokenizer, backbone)
    made.weights_digest = f"{seed}"
    made.use(Calibration(relations, tuple(shift or [0.0] * len(relations)), "test", platt=platt and Platt(*platt)))
    return made


@pytest.fixture(scope="module")
def different(encoders) -> list[Predictor]:
    """Members that differ in tokenizer, loss, order of relations, seed, calibration, and whether they give evidence."""
    return [
        member(encoders["all"], 1, evaluation={"evidence_threshold": 0.3, "top_k": 2}),
        member(encoders["some"], 2, MIXED, (1.5, 0.4), [0.5, 0, -0.3, 0, 0.1], loss={"name": "bce"}),
        member(encoders["all"], 3, platt=(0.4, -2.0), loss=GROUPS, evaluation={"evidence_threshold": 0.2}),
    ]


def margins_alone(model: Predictor, document: Document) -> dict[tuple[int, int, str], float]:
    """The margin of each pair and relation, computed for this document alone; at most 0 for what `top_k` leaves out."""
    (features,) = model.featurize([document])
    logits = model.output(model.collate([features])).logits
    margins, decided = model.loss.margins(logits), model.decide(logits)
    return {
        (*features.pairs[p].tolist(), relation): (
            float(margins[p, r]) if decided[p, r] else min(0.0, float(margins[p, r]))
        )
        for p in range(len(features.pairs))
        for r, relation in enumerate(model.schema.relations)
    }


def slow(models: list[Predictor], document: Document) -> dict[tuple[int, int, str], float]:
    """The margins of an ensemble, by the formula."""
    of_each = [margins_alone(model, document) for model in models]
    platts = [model.calibration.platt for model in models]
    c = sum(1 / (1 + math.exp(-b)) for _, b in platts) / len(models)
    found = {}
    for key in of_each[0]:
        p = sum(1 / (1 + math.exp(-(a * d[key] + b))) for d, (a, b) in zip(of_each, platts, strict=True)) / len(models)
        found[key] = math.log(p / (1 - p)) - math.log(c / (1 - c))
    return found


@pytest.mark.parametrize("limits", [(64, 1 << 16), (2, 30)])
def test_margins_equal_the_slow_reference(different, limits, monkeypatch):
    monkeypatch.setattr(ensembles, "GROUP_DOCUMENTS", limits[0])
    monkeypatch.setattr(ensembles, "GROUP_PAIRS", limits[1])
    both = Ensemble(different)
    table = margin_table(both, DOCUMENTS)
    found = {
        (int(table.document[p]), int(table.head[p]), int(table.tail[p]), relation): float(table.margins[p, r])
        for p in range(len(table.head))
        for r, relation in enumerate(table.relations)
    }
    expected = {(i, *key): d for i, document in enumerate(DOCUMENTS) for key, d in slow(different, document).items()}
    assert found.keys() == expected.keys() and len(found) == 5 * 20 * 5
    assert all(found[key] == pytest.approx(expected[key], abs=1e-4) for key in found)
    triples = {(i, t.head, t.tail, t.relation): t for i, some in enumerate(both.predict(DOCUMENTS)) for t in some}
    by_pair: dict[tuple, list] = {}
    for key, d in expected.items():
        if d > 0:
            by_pair.setdefault(key[:3], []).append((d, key))
    most = {key[:3]: 2 for key in expected}
    for model in different:
        for i, document in enumerate(DOCUMENTS):
            counts: dict[tuple, int] = {}
            for key, d in margins_alone(model, document).items():
                counts[i, key[0], key[1]] = counts.get((i, key[0], key[1]), 0) + (d > 0)
            most |= {pair: max(most[pair], count) for pair, count in counts.items()}
    predicted = {key for pair, rows in by_pair.items() for _, key in sorted(rows, reverse=True)[: most[pair]]}
    assert set(triples) == predicted and len(predicted) > 50
    for key, t in triples.items():
        chances = [margins_alone(m, DOCUMENTS[key[0]])[key[1:]] for m in different]
        each = [m.calibration.platt.probability(d) for m, d in zip(different, chances, strict=True)]
        assert t.probability == pytest.approx(sum(each) / 3, abs=1e-4)
        assert t.score == pytest.approx(math.log(t.probability / (1 - t.probability)), abs=1e-6)


def test_what_every_member_is_undecided_about_is_not_predicted(encoders, monkeypatch):
    """Whatever the rounding of a mean of probabilities."""

    def undecided(member, features, task):
        zeros = torch.zeros(sum(len(f.pairs) for f in features), len(RELATIONS), dtype=torch.float64)
        return PairScores(zeros, zeros, zeros > 0)

    monkeypatch.setattr(ensembles, "read", undecided)
    rng = np.random.default_rng(0)
    for _ in range(30):
        members = [member(encoders["all"], 1, platt=(1.0, float(rng.normal()))) for _ in range(3)]
        assert Ensemble(members).predict([random_document(1)]) == [[]]


def test_evidence_is_what_half_of_those_that_give_it_say(different):
    def sentences(model, document) -> dict[tuple[int, int], tuple[int, ...]]:
        table = margin_table(model, [document])
        return {(int(table.head[p]), int(table.tail[p])): table.evidence_of(p) for p in range(len(table.head))}

    for document in DOCUMENTS:
        first, last = sentences(different[0], document), sentences(different[2], document)
        both = sentences(Ensemble(different), document)  # the second gives none
        assert both == {pair: tuple(sorted({*first[pair], *last[pair]})) for pair in first}
    assert margin_table(Ensemble([different[1]] * 2), DOCUMENTS).evidence is None
    assert not Ensemble(different).with_evidence().members[1].predicts_evidence
    without = Ensemble([different[1]] * 2)
    assert without.with_evidence().predicts_evidence and not without.predicts_evidence
    found, none = without.with_evidence().predict(DOCUMENTS[0])[0], without.predict(DOCUMENTS[0])[0]
    assert any(p.evidence for p in found) and not any(p.evidence for p in none)
    assert [p.margin for p in found] == pytest.approx([p.margin for p in none], abs=1e-5)
    three = Ensemble([different[0], different[0], different[2]])
    assert sentences(three, DOCUMENTS[0]) == sentences(different[0], DOCUMENTS[0])


SAME = {
    "atl": {},
    "one relation for a pair": {"evaluation": {"top_k": 1}},
    "no limit": {"evaluation": {"top_k": -1}},
    "bce": {"loss": {"name": "bce"}},
    "a limit for each group": {"loss": GROUPS, "evaluation": {"top_k": 1}},
    "NA takes a place": {"loss": {"name": "balanced_softmax", "na_takes_a_place": True}, "evaluation": {"top_k": 1}},
    "a shift for each relation": {"shift": [0.5, 2.0, -1.0, 0.0, 3.0], "evaluation": {"top_k": 2}},
    "evidence": {"evaluation": {"evidence_threshold": 0.3}},
    "fusion": {"evaluation": {"evidence_threshold": 0.3}, "inference": {"name": "fusion"}},
}


def same(a: Prediction, b: Prediction) -> bool:
    """Whether two triples are the same, with the same probability and evidence."""
    names = ("title", "head", "tail", "relation", "evidence", "head_name", "relation_name")
    return all(getattr(a, name) == getattr(b, name) for name in names) and a.probability == pytest.approx(b.probability)


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("copies", [1, 2, 3])
def test_with_itself_a_model_predicts_the_same(name, copies, encoders):
    model = member(encoders["all"], **SAME[name])
    if model.inference.needs_fit:
        model.fit_inference(model.prepare(random_documents(4, seed=1, sentences=4)))
    alone, together = model.predict(DOCUMENTS), Ensemble([model] * copies).predict(DOCUMENTS)
    key = lambda t: (t.head, t.tail, t.relation)  # noqa: E731
    for a, b in zip(alone, together, strict=True):
        assert len(a) == len(b)
        assert all(same(x, y) for x, y in zip(sorted(a, key=key), sorted(b, key=key), strict=True))
    assert sum(map(len, alone)) > 20
    flat = [[t for some in found for t in some] for found in (alone, together)]
    assert scores_of(flat[0], DOCUMENTS).to_json() == scores_of(flat[1], DOCUMENTS).to_json()


def test_the_order_of_members_does_not_matter(encoders):
    models = [member(encoders[name], seed, platt=(0.5, -seed)) for name, seed in (("all", 1), ("some", 2), ("all", 3))]
    tables = [margin_table(Ensemble(order), DOCUMENTS) for order in permutations(models)]
    for table in tables[1:]:
        np.testing.assert_allclose(table.margins, tables[0].margins, atol=1e-6)
        assert np.array_equal(table.predicted, tables[0].predicted)
    assert len({Ensemble(order).weights_digest for order in permutations(models)}) == 1
    digests = {Ensemble(some).weights_digest for some in (models, models[:2], [models[0]] * 2)}
    models[0].use(Calibration(RELATIONS, (0.0,) * 5, "another", platt=Platt(0.6, 1.0)))
    assert len(digests | {Ensemble(models).weights_digest}) == 4


finite = st.floats(-30, 30)


@given(st.lists(finite, min_size=1, max_size=6))
def test_log_odds_of_the_mean(values):
    found = float(log_odds_of_mean([torch.tensor(z, dtype=torch.float64) for z in values]))
    p = math.fsum(1 / (1 + math.exp(-z)) for z in values)
    q = math.fsum(1 / (1 + math.exp(z)) for z in values)
    assert found == pytest.approx(math.log(p) - math.log(q), abs=1e-9)
    assert min(values) - 1e-9 <= found <= max(values) + 1e-9


@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=4), st.floats(0, 1e5))
def test_they_are_finite_and_grow_with_each_probability(values, more):
    tensors = [torch.tensor(z, dtype=torch.float64) for z in values]
    found = log_odds_of_mean(tensors)
    assert found.isfinite() and log_odds_of_mean([tensors[0] + more, *tensors[1:]]) >= found


@settings(max_examples=50)
@given(st.integers(0, 10**6))
def test_likeliest(seed):
    torch.manual_seed(seed)
    chosen, scores = torch.rand(6, 7) < 0.6, torch.randn(6, 7)
    most = torch.randint(0, 8, (6,))
    for row, kept in enumerate(likeliest(chosen, scores, most)):
        by_score = sorted((-float(scores[row, r]), r) for r in range(7) if chosen[row, r])
        assert set(kept.nonzero().flatten().tolist()) == {r for _, r in by_score[: int(most[row])]}


def test_documents_without_pairs(different):
    both = Ensemble(different)
    assert both.predict([]) == []
    assert both.predict([random_document(1, entities=0), random_document(2, entities=1)]) == [[], []]


def test_members_that_cannot_be_one(encoders):
    good = member(encoders["all"])
    for other, message in (
        (member(encoders["all"], relations=("P1", "P2")), "a: has the relation 'P3', which b does not have"),
        (member(encoders["all"], relations=(*RELATIONS, "P6")), "b: has the relation 'P6', which a does not have"),
        (
            member(encoders["all"], platt=None),
            "b: no probabilities, .*: docre calibrate --checkpoint b --data DEV --no",
        ),
        (member(encoders["all"], platt=(-0.1, 0.0)), "b: its probabilities do not grow with its margins"),
    ):
        with pytest.raises(DocreError, match=message):
            Ensemble([good, other], ["a", "b"])
    other.calibration = None
    with pytest.raises(DocreError, match="member 2: no probabilities"):
        Ensemble([good, other])
    with pytest.raises(DocreError, match="expected a checkpoint"):
        docre.load([])


@pytest.fixture(scope="module")
def place(encoders, different, tmp_path_factory) -> Path:
    """A folder with the checkpoints a, b and c, one without a calibration, one of other relations, and documents."""
    folder = tmp_path_factory.mktemp("place")
    for name, model in zip("abc", different, strict=True):
        save(model, folder / name)
    bare = member(encoders["all"])
    bare.forget_calibration()
    save(bare, folder / "bare")
    save(member(encoders["all"], relations=("P1", "P2")), folder / "two")
    for seed, name in enumerate(("dev", "test")):
        write_docred(folder / f"{name}.json", random_documents(8, seed=seed))
    return folder


def checkpoints(*names: str) -> list[str]:
    return [word for name in names for word in ("--checkpoint", name)]


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_commands(place, different, monkeypatch, capsys):
    """predict, evaluate and calibrate take several; --dev is what calibrate and --calibration are together."""
    monkeypatch.chdir(place)
    abc = checkpoints("a", "b", "c")
    predict.main([*abc, "--input", "test.json", "--output", "plain.jsonl"])
    made = docre.load(["a", "b", "c"], "cpu")
    expected = [t for some in made.predict("test.json") for t in some]
    found = lines_of(place / "plain.jsonl")
    assert [(t["head"], t["tail"], t["relation"], t["margin"], t["probability"]) for t in found] == [
        (t.head, t.tail, t.relation, t.margin, t.probability) for t in expected
    ]
    evaluate.main([*abc, "--data", "test.json", "--json", "plain.json"])
    gold = list(docre.read("test.json"))
    assert json.loads((place / "plain.json").read_text())["f1"] == scores_of(expected, gold).f1

    calibrate.main([*abc, "--data", "dev.json", "--output", "c.json"])
    assert "c.json: the best F1" in capsys.readouterr().out
    for arguments, name in ((["--calibration", "c.json"], "c"), (["--dev", "dev.json"], "d")):
        predict.main([*abc, "--input", "test.json", "--output", f"{name}.jsonl", *arguments])
        evaluate.main([*abc, "--data", "dev.json", "--json", f"{name}_scores.json", *arguments])
    assert lines_of(place / "c.jsonl") == lines_of(place / "d.jsonl") != found
    assert (place / "c_scores.json").read_text() == (place / "d_scores.json").read_text()
    table = margin_table(made, docre.read("dev.json"))
    best = max(f1(table, shift) for shift in -np.unique(table.margins) + 1e-6)
    assert json.loads((place / "c_scores.json").read_text())["f1"] == pytest.approx(best, abs=1e-9)


def f1(table, shift: float) -> float:
    """F1 with this shift, where every pair may have any number of relations."""
    predicted = table.margins + shift > 0
    return 2 * (predicted & table.labels).sum() / (predicted.sum() + table.gold)


def test_a_corpus_and_plain_texts(place, monkeypatch):
    """A folder as output has the same triples; so do texts whose entities are given."""
    monkeypatch.chdir(place)
    predict.main([*checkpoints("a", "b"), "--input", "test.json", "--output", "found/", "--fields", "confidence"])
    expected = docre.load(["a", "b"], "cpu").predict("test.json")
    rows = [row for part in sorted((place / "found").glob("*.jsonl")) for row in lines_of(part)]
    rows = [row for row in rows if "triples" in row]
    assert [[(t["head"], t["tail"], t["relation"]) for t in row["triples"]] for row in rows] == [
        [(t.head, t.tail, t.relation) for t in some] for some in expected
    ]
    text = "w1 w2 w3 w4 w5 w6 . w7 w8 w9 ."
    mentions = [{"type": "T", "mentions": [[start, start + 2]]} for start in (0, 6, 12, 20)]
    (place / "texts.jsonl").write_text(json.dumps({"text": text, "entities": mentions}) + "\n")
    extract.main([*checkpoints("a", "b"), "texts.jsonl", "--output", "out.jsonl", "--min-confidence", "0.1"])
    (found,) = lines_of(place / "out.jsonl")
    assert found["triples"] and all(0.1 <= t["confidence"] <= 1 for t in found["triples"])


def test_a_checkpoint_with_itself_has_the_same_scores(place, monkeypatch):
    monkeypatch.chdir(place)
    for names in (("a",), ("a", "a")):
        evaluate.main([*checkpoints(*names), "--data", "test.json", "--json", f"{len(names)}.json"])
    assert (place / "1.json").read_text() == (place / "2.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", *checkpoints("a", "bare"), "--data", "test.json", "--json", "new"], "bare: no probabilities"),
        (["evaluate", *checkpoints("a", "two"), "--data", "test.json", "--json", "new"], "a: has the relation 'P3'"),
        (
            ["predict", *checkpoints("a", "none"), "--input", "test.json", "--output", "new.json"],
            "none: not a checkpoint",
        ),
        (
            ["predict", *checkpoints("a", "bare"), "--input", "test.json", "--output", "new.json"],
            "bare: no probabilities",
        ),
        (
            ["predict", *checkpoints("a"), "--input", "test.json", "--output", "new/", "--dev", "dev.json"],
            "--dev: for ",
        ),
        (
            ["predict", *checkpoints("a"), "--input", "test.json", "--output", "new.json", "--dev", "x.json"],
            "x.json: No such",
        ),
        (["calibrate", *checkpoints("a", "b"), "--data", "dev.json"], "--output: several checkpoints need one"),
        (["calibrate", *checkpoints("a", "bare"), "--data", "dev.json", "--output", "new"], "bare: no probabilities"),
    ],
)
def test_one_line_and_nothing_written(arguments, message, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    with pytest.raises(SystemExit) as end:
        main(arguments)
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("docre: warning")]
    assert end.value.code == 2
    assert len(lines) == 1 and lines[0].startswith("docre: error: ") and message in lines[0]
    assert sorted(place.rglob("*")) == before


def test_the_calibration_of_another_ensemble_is_refused(place, monkeypatch):
    monkeypatch.chdir(place)
    calibrate.main([*checkpoints("b", "a"), "--data", "dev.json", "--output", "other.json"])
    predict_ = ["--input", "test.json", "--output", "o.json", "--calibration", "other.json"]
    for names, message in ((("a", "b", "a"), "other relations|other weights"), (("b",), "made for other weights")):
        with pytest.raises(DocreError, match=message):
            predict.main([*checkpoints(*names), *predict_])
    predict.main([*checkpoints("b"), *predict_, "--force"])
