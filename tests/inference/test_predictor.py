"""Prediction from Python and from the command line: every form of input, several threads, warnings."""

import json
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import docre
from docre.commands import evaluate, predict
from docre.config.schema import Config
from docre.data.readers.docred import to_json, write_docred
from docre.data.schema import LabelSchema
from docre.documents import Document, Entity, Mention, Prediction, Triple
from docre.errors import DocreError, DocreWarning
from docre.inference import checkpoint
from docre.inference.predictor import Predictor
from docre.inference.probe import margin_table
from docre.models import load_tokenizer
from tests.conftest import ROOT
from tests.tiny import RELATIONS, WORDS, random_documents, tiny_bert

NAMES = {"P1": "capital of", "P2": "born in"}


def make(encoder: Path, **changes) -> Predictor:
    """A model with random weights that predicts many triples; it has dropout, active in training mode only."""
    values = {
        "output": "o",
        "data": {"train": "t", "max_tokens": 40},
        "encoder": {"name": "e", "averaged_layers": 3},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atl"},
        "training": {"precision": "fp32"},
    }
    torch.manual_seed(3)
    schema = LabelSchema(RELATIONS, NAMES)
    return Predictor(Config.model_validate(values | changes), schema, load_tokenizer(str(encoder)), tiny_bert())


@pytest.fixture(scope="module")
def model(tiny_encoder) -> Predictor:
    return make(tiny_encoder, data={"train": "t"})


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory) -> Path:
    """The model saved as a checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    checkpoint.save(model, folder)
    return folder


@pytest.mark.parametrize(("precision", "rounds"), [("fp32", 20), ("bf16", 3)])
def test_threads_share_one_model(model, saved, precision, rounds):
    """Each thread predicts the documents in its own order; some are split into tiles of pairs."""
    documents = random_documents(3, sentences=2) + random_documents(1, seed=1, entities=7, sentences=9)
    changes = [f"training.precision={precision}", "evaluation.max_pairs_per_batch=20", "evaluation.batch_size=2"]
    expected = docre.load(saved, "cpu", changes).predict(documents)
    assert sum(map(len, expected)) > 20
    shared = docre.load(saved, "cpu", changes)
    found: dict[int, list] = {}
    failures = []

    def work(number: int) -> None:
        order = np.random.default_rng(number).permutation(len(documents)).tolist()
        try:
            for turn in range(rounds):
                new = replace(documents[0], sentences=[[f"new{number}-{turn}"] * 40] * 3)
                shared.featurize([new])  # words that the tokenizer has to be asked for
                # the batches are those of the documents' lengths, so the order changes no number
                result = shared.predict([documents[i] for i in order])
                found.setdefault(number, []).append([result[order.index(i)] for i in range(len(documents))])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [len(results) for results in found.values()] == [rounds] * 4
    assert all(result == expected for results in found.values() for result in results)
    assert not shared.model.training


def test_a_model_is_in_evaluation_mode_and_stays_as_it_is(tiny_encoder, saved):
    model = docre.load(saved, "cpu")
    assert not model.model.training and not any(module.training for module in model.model.modules())
    assert not make(tiny_encoder).model.training
    document = random_documents(1)
    assert model.predict(document) == model.predict(document) and not model.model.training


def test_predict_takes_documents_in_every_form(model, tmp_path):
    documents = random_documents(3)
    expected = model.predict(documents)
    as_json = [to_json(document) for document in documents]
    write_docred(tmp_path / "d.json", documents)
    for given in (tuple(documents), (d for d in documents), as_json, [documents[0], *as_json[1:]]):
        assert model.predict(given) == expected
    for given in (tmp_path / "d.json", str(tmp_path / "d.json")):
        assert model.predict(given) == expected
    for given in (documents[0], as_json[0]):
        assert model.predict(given) == expected[:1]
    assert model.predict([]) == []
    untitled = {key: value for key, value in as_json[1].items() if key not in ("title", "labels")}
    second = model.predict([as_json[0], untitled])[1]
    assert {p.title for p in second} == {"document 1"} and len(second) == len(expected[1])
    flat = {
        "text": "w1 w2 w3.",
        "entities": [{"type": "PER", "mentions": [[0, 2]]}, {"type": "LOC", "mentions": [[3, 5], [6, 8]]}],
    }
    (found,) = model.predict(flat)
    mentions = [Mention("w1", 0, 0, 1, "PER")], [Mention("w2", 0, 1, 2, "LOC"), Mention("w3", 0, 2, 3, "LOC")]
    document = Document("document 0", [["w1", "w2", "w3", "."]], [Entity(tuple(some)) for some in mentions])
    assert [found] == model.predict(document) and found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "expected documents, each a docre.Document, or a dict .* or the path of a file; got an integer"),
        (None, "or the path of a file; got nothing"),
        (["a.json"], "document 0: expected a docre.Document, or a dict .*, got a string"),
        ({"title": "x"}, "document 0: expected .* got an object without these"),
        (
            [{"text": "a", "entities": []}, {"text": 3}],
            "document 1: document: expected a string in 'text', got an integer",
        ),
        (
            {"sents": [], "vertexSet": [], "title": 3},
            "document 0: document: expected a string in 'title', got an integer",
        ),
        (
            {"sents": [["a"]], "vertexSet": [[{"name": "a", "sent_id": 1, "pos": [0, 1]}]]},
            "document 'document 0': entity 0",
        ),
        ("nowhere.json", "nowhere.json: No such file"),
    ],
)
def test_predict_says_what_it_takes(model, given, message):
    with pytest.raises(DocreError, match=message):
        model.predict(given)


def test_predictions_have_names(model):
    documents = random_documents(6)
    for document, found in zip(documents, model.predict(documents), strict=True):
        for p in found:
            head, tail = document.entities[p.head], document.entities[p.tail]
            assert (p.head_name, p.head_type) == (head.mentions[0].name, head.mentions[0].type)
            assert (p.tail_name, p.tail_type) == (tail.mentions[0].name, tail.mentions[0].type)
            assert p.relation_name == NAMES.get(p.relation, p.relation) and p.probability is None
            bare = Prediction(p.title, p.head, p.tail, p.relation, p.score, p.margin)
            assert p == bare and hash(p) == hash(bare)


def test_json_lines(model, saved, tmp_path):
    documents = random_documents(4)
    documents[2] = replace(documents[2], title=documents[1].title)
    write_docred(tmp_path / "d.json", documents)
    output = tmp_path / "r.jsonl"
    predict.main(["--checkpoint", str(saved), "--input", str(tmp_path / "d.json"), "--output", str(output)])
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    expected = [(i, p) for i, some in enumerate(model.predict(documents)) for p in some]
    assert len(lines) == len(expected) and {line["document"] for line in lines} >= {1, 2}
    for line, (i, p) in zip(lines, expected, strict=True):
        assert line.pop("document") == i and line.pop("evidence") == []
        assert line == {name: getattr(p, name) for name in line}
    names = "title head head_name head_type tail tail_name tail_type relation relation_name score margin probability"
    assert set(lines[0]) == set(names.split())


@pytest.mark.parametrize("name", ["r.json", "r.zip"])
def test_two_documents_of_one_title_make_no_submission(saved, tmp_path, name):
    documents = random_documents(3)
    write_docred(tmp_path / "d.json", [*documents, documents[0]])
    with pytest.raises(DocreError, match=r"d\.json: two documents have the title 'doc 0'"):
        predict.main(
            ["--checkpoint", str(saved), "--input", str(tmp_path / "d.json"), "--output", str(tmp_path / name)]
        )
    assert not (tmp_path / name).exists()


def test_from_python_they_are_told_apart_by_position(model):
    first, second = random_documents(2)
    same = replace(second, title=first.title)
    apart, together = model.predict([first, second]), model.predict([first, same])
    assert [[(p.head, p.tail, p.relation) for p in some] for some in apart] == [
        [(p.head, p.tail, p.relation) for p in some] for some in together
    ]


def with_unknown(documents: list[Document]) -> list[Document]:
    """Copies of documents in which two have a label whose relation the model does not know."""
    changed = [replace(d, triples=[*d.triples, Triple(0, 1, "X9"), Triple(0, 1, "X9")]) for d in documents[:2]]
    return [*changed, *documents[2:]]


def test_predict_does_not_look_at_labels(model):
    documents = random_documents(4)
    expected = model.predict([replace(d, triples=None) for d in documents])
    assert model.predict(with_unknown(documents)) == model.predict(documents) == expected


def test_evaluate_counts_unknown_relations_as_missed(model, saved, tmp_path, capsys):
    documents = random_documents(4)
    scores = []
    for name, some in (("plain", documents), ("unknown", with_unknown(documents))):
        write_docred(tmp_path / f"{name}.json", some)
        common = ["--data", str(tmp_path / f"{name}.json"), "--json", str(tmp_path / "s.json")]
        evaluate.main(["--checkpoint", str(saved), *common])
        scores.append(json.loads((tmp_path / "s.json").read_text()))
    plain, unknown = scores
    assert unknown["gold"] == plain["gold"] + 2 and unknown["correct"] == plain["correct"]
    assert unknown["per_relation"]["X9"]["r"] == 0
    note = "2 gold triples are of 1 relations that the model does not know ('X9'): they are counted as missed"
    assert note in unknown["notes"] and f"note: {note}" in capsys.readouterr().out
    with pytest.warns(DocreWarning, match="2 gold triples are of 1 relations"):
        table = margin_table(model, with_unknown(documents))
    assert table.gold == unknown["gold"] and table.left_out == 2
    assert (table.margins == margin_table(model, documents).margins).all()


@pytest.fixture
def short(tiny_encoder) -> Predictor:
    """A model with a length limit of 40 tokens."""
    return make(tiny_encoder)


def test_what_lies_beyond_the_limit_is_said_once(short):
    documents = random_documents(5, sentences=8) + random_documents(2, seed=1, sentences=1)
    features = short.featurize(documents)
    cut = [f for f in features if f.cut_mentions]
    longest = max(f.whole_length for f in cut)
    entities = sum(len(d.entities) - len(set(f.mention_entity)) for d, f in zip(documents, features, strict=True))
    assert len(cut) == 5 and entities
    expected = (
        f"5 of 7 documents are longer than 40 tokens; the rest is not read: {sum(f.cut_mentions for f in cut)} "
        f"mentions, which include all mentions of {entities} entities ('doc 0', 'doc 1', 'doc 2', 'doc 3', 'doc 4'); "
        f"evaluation.max_tokens={longest} reads them whole"
    )
    for use in (short.predict, lambda documents: margin_table(short, documents)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            use(documents)
        assert [str(warning.message) for warning in caught] == [expected] and caught[0].category is DocreWarning
    whole = make_longer(short, longest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = whole.predict(documents)
    assert sum(map(len, found)) > 0 and found[:5] != short_predictions(short, documents)[:5]
    nearly = make_longer(short, longest - 1).featurize(documents)
    assert max(len(f.input_ids) for f in nearly) == longest - 1


def make_longer(model: Predictor, tokens: int) -> Predictor:
    """The same model with a length limit of `tokens`."""
    config = model.config.model_copy(
        update={"evaluation": model.config.evaluation.model_copy(update={"max_tokens": tokens})}
    )
    longer = Predictor(config, model.schema, model.tokenizer, tiny_bert())
    longer.model.load_state_dict(model.model.state_dict())
    return longer


def short_predictions(model: Predictor, documents: list[Document]) -> list[list[Prediction]]:
    with pytest.warns(DocreWarning):
        return model.predict(documents)


def test_commands_take_the_limit(short, tmp_path):
    checkpoint.save(short, tmp_path / "model")
    write_docred(tmp_path / "d.json", random_documents(3, sentences=8))
    command = ["--checkpoint", str(tmp_path / "model"), "--input", str(tmp_path / "d.json")]
    command += ["--output", str(tmp_path / "r.json")]
    with pytest.warns(DocreWarning, match="3 of 3 documents are longer than 40 tokens; the rest is not read: "):
        predict.main(command)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict.main([*command, "evaluation.max_tokens=500"])


def test_a_command_prints_a_warning_as_one_line():
    code = (
        "import warnings; from docre.core import cli; from docre.errors import DocreWarning\n"
        "cli.run(lambda: [warnings.warn('odd', category) for category in (DocreWarning, UserWarning)])"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    first, second = child.stderr.splitlines()
    assert first == "docre: warning: odd" and second.endswith("UserWarning: odd")


def test_long_documents_are_read_through_more_windows(model):
    """Changing the last sentence changes the predictions, and mentions in it are kept."""
    text = [[WORDS[(7 * s + i) % 60] for i in range(6)] for s in range(60)]
    entities = [Entity((Mention("x", s, 0, 1),)) for s in (0, 30, 59)]
    document = Document("long", text, entities)
    long = make_longer(model, 2000)
    (features,) = long.featurize([document])
    assert features.cut_mentions == 0 and len(features.input_ids) == 60 * 6 + 6 + 2
    other = replace(document, sentences=[*text[:-1], text[0][::-1]])
    margins = [margin_table(long, [replace(d, triples=[])]).margins for d in (document, other)]
    assert not np.allclose(*margins)
    short = make_longer(model, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cut = [margin_table(short, [replace(d, triples=[])]).margins for d in (document, other)]
    assert np.allclose(*cut)


def test_dir_lists_what_there_is():
    assert set(docre.__all__) <= set(dir(docre)) and {"load", "read", "DocreWarning"} <= set(dir(docre))


@pytest.mark.parametrize("within_pair", [False, True])
def test_batches_of_documents_that_follow_each_other(within_pair, tiny_encoder):
    """evaluation.order=file: each batch of two is predicted as if it were alone. By length others are together, which
    tells where pairs attend to each other across documents."""
    model = {"name": "ttm_re", "head_size": 16, "block_size": 4, "memory_size": 5, "layers": 2, "heads": 4}
    model["within_pair"] = within_pair
    documents = [random_documents(1, seed=i, sentences=n, entities=4)[0] for i, n in enumerate((9, 2, 8, 3, 7))]

    def margins(order: str, *groups: list[Document]) -> torch.Tensor:
        evaluation = {"order": order, "batch_size": 2, "top_k": -1}
        made = make(tiny_encoder, data={"train": "t"}, model=model, evaluation=evaluation)
        for name, parameter in made.model.named_parameters():
            if not name.startswith("encoder."):
                parameter.data.mul_(3)  # so that attention is not uniform
        tables = []
        for group in groups:
            features = made.prepare(group)
            of_pair = {}

            def keep(document, pair, found, of_pair=of_pair):
                of_pair.update(zip(zip(document.tolist(), pair.tolist(), strict=True), found.margins, strict=True))

            made.score(features, keep, "x")
            tables += [of_pair[key] for key in sorted(of_pair)]
        return torch.stack(tables)

    alone = margins("length", documents[:2], documents[2:4], documents[4:])
    torch.testing.assert_close(margins("file", documents), alone, atol=1e-5, rtol=0)
    others = (margins("length", documents) - alone).abs().max()
    assert others < 1e-5 if within_pair else others > 1e-4
