"""`docre extract` and `Predictor.extract`: from plain text to triples, and every bad text is one line."""

import io
import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

import docre
from docre.analysis import Calibration
from docre.analysis.confidence import EndToEnd
from docre.analysis.platt import Platt
from docre.commands import extract, graph
from docre.data.features import UNLIMITED
from docre.documents import Document
from docre.errors import DocreError, DocreWarning
from docre.extraction import Extraction, Provenance
from docre.graph.base import EXPORTERS
from docre.inference import checkpoint
from docre.inference.methods.excerpt import excerpt
from docre.inference.methods.parts import divide
from docre.inference.predictor import Predictor
from docre.text import TAGGERS, Tagger
from tests.inference.test_predictor import make
from tests.tiny import WORDS


@TAGGERS.register("words")
class Words(Tagger):
    """Marks every third word."""

    def __init__(self, step: int = 3) -> None:
        self.step = step

    def __call__(self, text: str, title: str) -> Document:
        spans, at = [], 0
        for word in text.split():
            at = text.index(word, at)
            spans.append((at, at + len(word)))
            at += len(word)
        entities = [{"type": "X", "mentions": [span], "score": 0.5} for span in spans[:: self.step]]
        return Document.from_text(text, entities, title)


@pytest.fixture(scope="module", autouse=True)
def _registered():
    yield
    TAGGERS.unregister("words")


@pytest.fixture(scope="module")
def model(tiny_encoder) -> Predictor:
    return make(tiny_encoder)  # reads 40 tokens of a document in training


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    checkpoint.save(model, folder)
    return folder


TEXT = " ".join(WORDS[:9])


def facts(extraction: Extraction) -> list[tuple]:
    return [(t.head, t.relation, t.tail, t.head_mention, t.tail_mention) for t in extraction.triples]


def test_forms_of_input(model):
    one = model.extract(TEXT, tagger="words")
    assert isinstance(one, Extraction) and one.text == TEXT and len(one.entities) == 3 and one.triples
    first, named = model.extract([TEXT, ("b", TEXT)], tagger={"name": "words"})
    assert facts(first) == facts(one) == facts(named) and (first.title, named.title) == ("text 1", "b")
    assert facts(model.extract(Words()(TEXT, "text 1"))) == facts(one)
    assert [t.relation for t in first.triples] == [p.relation for p in model.predict(Words()(TEXT, "c"))[0]]


def evidence(found: Extraction) -> list[tuple]:
    return [t.evidence for t in found.triples]


def test_evidence(model, tiny_encoder, saved, tmp_path):
    """By default with the published threshold, in a folder too; a threshold of the config wins, and 1 gives none."""
    texts = [TEXT, "\n\n".join([TEXT] * 4)]
    found = [evidence(one) for one in model.extract(texts, "words")]
    assert len(set(found[1])) == 3 and all(found[0])
    assert not any(p.evidence for p in model.predict(Words()(TEXT, "c"))[0]) and not model.predicts_evidence
    for threshold in (0.2, 0.6, 1.0):
        other = make(tiny_encoder, evaluation={"evidence_threshold": threshold})
        assert ([evidence(one) for one in other.extract(texts, "words")] == found) == (threshold == 0.2)
    assert not any(evidence(other.extract(texts[1], "words")))
    other = make(tiny_encoder)
    other.model.offers = frozenset()
    assert not any(evidence(other.extract(texts[1], "words")))
    (tmp_path / "a.txt").write_text(texts[1])
    options = ["--checkpoint", str(saved), "--tagger", "words", str(tmp_path / "a.txt")]
    extract.main([*options, "--output", f"{tmp_path}/out/"])
    (part,) = [path for path in (tmp_path / "out").glob("*.jsonl") if path.name != "rejected.jsonl"]
    assert evidence(Extraction.from_json(part.read_text())) == found[1]


def test_confidence_has_the_scores_of_the_entities(model):
    relations = model.schema.relations
    half = Calibration(relations, (0.0,) * len(relations), "half", platt=Platt(0.0, 0.0))
    model.use(half)
    try:
        assert {t.confidence for t in model.extract(TEXT, "words").triples} == {0.125}
        model.use(replace(half, end_to_end=EndToEnd(0.0, 0.0, 0.0, 1.0, "words")))
        (sure,) = {t.confidence for t in model.extract(TEXT, "words").triples}
        assert sure == pytest.approx(0.7310586)  # 1 / (1 + 1 / e)
        given = Words()(TEXT, "given")  # its entities are the user's, whatever the tagger of other texts
        assert {t.confidence for t in model.extract(given, "words").triples} == {0.125}
        model.use(replace(half, end_to_end=EndToEnd(0.0, 0.0, 0.0, 1.0, "spacy")))
        assert {t.confidence for t in model.extract(TEXT, "words").triples} == {0.125}  # fitted for another tagger
    finally:
        model.calibration = None


@pytest.mark.filterwarnings("error")
def test_a_long_text_is_read_to_its_end(model):
    text = " ".join(WORDS[i % len(WORDS)] for i in range(5000))
    found = model.extract(text, {"name": "words", "step": 500})
    assert len(found.entities) == 10
    assert max(max(t.head, t.tail) for t in found.triples) == 9


def test_pairs_that_no_part_mentions_together_are_counted(model, saved, tmp_path, capsys):
    """Against a slow count of the parts; in a folder too. A short text has none, and says nothing."""
    text = "\n\n".join([TEXT] * 12)
    tagger = Words(5)
    (features,) = model.featurize([tagger(text, "t")], UNLIMITED)
    parts = [excerpt(features, part) for part in divide(features, model.featurize.max_tokens)]
    count = len(set(range(len(features.pairs))) - {int(p) for part in parts for p in part.pair})
    found = model.extract(text, tagger)
    assert found.pairs_apart == count > 0 and found.to_json()["pairs_apart"] == count
    whole = model.extract(TEXT, tagger)
    assert whole.pairs_apart == 0 and "pairs_apart" not in whole.to_json()
    (tmp_path / "in").mkdir()
    for name, content in (("a", text), ("b", TEXT)):
        (tmp_path / f"in/{name}.txt").write_text(content)
    options = ["--checkpoint", str(saved), "--tagger", "words", str(tmp_path / "in"), "tagger.step=5"]
    pairs = sum(len(e.entities) * (len(e.entities) - 1) for e in (found, whole))
    with pytest.warns(DocreWarning, match=f"^{count:,} of {pairs:,} entity pairs are too far apart") as said:
        extract.main(options)
    assert len(said) == 1
    with pytest.warns(DocreWarning):
        extract.main([*options, "--output", str(tmp_path / "o.jsonl")])
    rows = [Extraction.from_json(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [row.pairs_apart for row in rows] == [count, 0]
    capsys.readouterr()
    for kind in ("jsonl", "parquet"):
        extract.main([*options, "--output", f"{tmp_path}/{kind}/", "--format", kind])
        assert f"{count:,} of {pairs:,} entity pairs" in capsys.readouterr().out
        assert [row.pairs_apart for row in graph.read(graph.files_of(f"{tmp_path}/{kind}"))] == [count, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract.main([*options, "evaluation.max_tokens=1000"])


def test_lines_say_where_they_come_from(saved, tmp_path):
    item = {"text": TEXT, "entities": [{"mentions": [[0, 3]]}]}
    lines = tmp_path / "in.jsonl"
    lines.write_text(json.dumps(item) + "\n\n" + json.dumps({"text": TEXT}))
    (tmp_path / "a.txt").write_text(TEXT)
    output = tmp_path / "o.jsonl"
    options = ["--checkpoint", str(saved), "--tagger", "words", "--output", str(output)]
    digest = docre.load(saved, "cpu").weights_digest

    def origins(source: str) -> list[Provenance | None]:
        extract.main([*options, source])
        return [Extraction.from_json(line).provenance for line in output.read_text().splitlines()]

    made = (str(saved),), digest
    assert origins(str(lines)) == [
        Provenance(str(lines), 1, *made, None, docre.__version__),
        Provenance(str(lines), 3, *made, "words", docre.__version__),
    ]
    assert origins(str(tmp_path / "a.txt")) == [
        Provenance(str(tmp_path / "a.txt"), None, *made, "words", docre.__version__)
    ]
    assert [origin.source for origin in origins(TEXT)] == ["text"]


def test_the_format_of_a_plugin(saved, tmp_path, monkeypatch):
    (tmp_path / "my_exporters.py").write_text(
        "from docre.graph.base import EXPORTERS, writes\n\n\n"
        "@EXPORTERS.register('titles')\n@writes('.titles')\ndef write_titles(extractions, path):\n"
        '    """The titles."""\n    path.write_text(chr(10).join(e.title for e in extractions))\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    arguments = ["--checkpoint", str(saved), "--tagger", "words", TEXT, "--output", str(tmp_path / "x.titles")]
    try:
        extract.main([*arguments, "--plugins", "my_exporters"])
        assert (tmp_path / "x.titles").read_text() == "text"
    finally:
        EXPORTERS.unregister("titles")


def test_the_command(saved, tmp_path, capsys, monkeypatch):
    options = ["--checkpoint", str(saved), "--tagger", "words"]
    extract.main([*options, TEXT, "tagger.step=4"])
    printed = capsys.readouterr().out
    assert "3 entities" in printed and " -- " in printed and "characters [" in printed
    assert all(line.count(" (X)") == 2 for line in printed.splitlines()[1:])
    (tmp_path / "letters").mkdir()
    for name in ("b", "a"):
        (tmp_path / "letters" / f"{name}.txt").write_text(TEXT)
    extract.main([*options, str(tmp_path / "letters"), "--output", str(tmp_path / "o.jsonl")])
    found = [Extraction.from_json(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [e.title for e in found] == ["a.txt", "b.txt"] and all(e.triples for e in found)
    extract.main([*options, TEXT, "--output", str(tmp_path / "o.cypher")])
    assert "MERGE" in (tmp_path / "o.cypher").read_text()
    item = {"title": "given", "text": TEXT, "entities": [{"mentions": [[0, 3]]}]}
    (tmp_path / "in.jsonl").write_text(json.dumps(item) + "\n\n" + json.dumps({"text": TEXT}))
    extract.main([*options, str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "o.jsonl")])
    found = [Extraction.from_json(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [(e.title, len(e.entities)) for e in found] == [("given", 1), ("in:3", 3)]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    capsys.readouterr()
    extract.main([*options, "-"])
    assert capsys.readouterr().out.startswith("standard input: 3 entities")


BAD = {
    "empty.txt": (b" \n", r"/empty\.txt: empty text"),
    "empty.jsonl": (b'{"text": "a"}\n{"text": ""}', r"/empty\.jsonl: line 2: empty text"),
    "large.txt": (b"word " * 200_000, r"/large\.txt: 1,000,000 characters"),
    "binary.txt": (b"\x00\x01abc", "binary"),
    "latin.txt": (b"caf\xe9", "not UTF-8"),
    "entity.jsonl": (b'{"text": "a", "entitys": []}', "did you mean 'entities'"),
    "no.jsonl": (b"", "no texts"),
    "list.jsonl": (b"[1]", "line 1"),
    "key.jsonl": (b'{"txt": "a"}', "'text'"),
    "outside.jsonl": (b'{"text": "a", "entities": [{"mentions": [[0, 9]]}]}', "line 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_texts(name, saved, tmp_path):
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content)
    output = tmp_path / "o.jsonl"
    with pytest.raises(DocreError, match=message) as error:
        options = ["--checkpoint", str(saved), "--tagger", "words", "--output", str(output)]
        extract.main([*options, str(tmp_path / name)])
    assert "\n" not in str(error.value) and not output.exists()


def test_objects_with_other_keys_are_texts(saved, tmp_path):
    """Keys of other tasks, and what is null."""
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": TEXT, "labels": [1], "relations": 3, "entities": None}))
    output = tmp_path / "o.jsonl"
    extract.main(["--checkpoint", str(saved), "--tagger", "words", str(tmp_path / "t.jsonl"), "--output", str(output)])
    assert len(Extraction.from_json(output.read_text()).entities) == 3


def test_a_file_name_that_is_not_utf_8(saved, model, tmp_path):
    (tmp_path / "caf\udce9.txt").write_text(TEXT)
    options = ["--checkpoint", str(saved), "--tagger", "words", str(tmp_path), "--output", str(tmp_path / "o.jsonl")]
    with pytest.raises(DocreError, match="the name of the file is not UTF-8") as error:
        extract.main(options)
    assert str(error.value).isascii()
    with pytest.raises(DocreError, match="the title is not valid Unicode"):
        model.extract(("caf\udce9", TEXT), "words")


def test_a_folder_with_a_bad_text(saved, tmp_path):
    """It is named; with a folder as the output it is set aside."""
    texts = tmp_path / "texts"
    texts.mkdir()
    for name, text in (("a", TEXT), ("b", ""), ("c", TEXT)):
        (texts / f"{name}.txt").write_text(text)
    options = ["--checkpoint", str(saved), "--tagger", "words", str(texts)]
    with pytest.raises(DocreError, match=r"/b\.txt: empty text \(a folder as --output, such as out/, gets the others"):
        extract.main([*options, "--output", str(tmp_path / "o.jsonl")])
    extract.main([*options, "--output", f"{tmp_path}/out/"])
    (rejected,) = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    assert "b.txt: empty text" in rejected


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["missing.txt"], "missing.txt: No such file"),
        ([TEXT], "--tagger"),
        ([TEXT, "--tagger", "no"], "unknown tagger 'no'"),
        ([TEXT, "--tagger", "words", "--min-confidence", "0.5"], "no probabilities; fit them on dev documents"),
        ([TEXT, "--output", "a.xyz"], "no format has this suffix"),
        ([""], "empty text"),
        (["a" * 600_000], "600,000 characters"),
    ],
)
def test_bad_arguments(arguments, message, saved):
    with pytest.raises(DocreError, match=message):
        extract.main(["--checkpoint", str(saved), *arguments])


def test_a_document_of_tokens(model):
    with pytest.raises(DocreError, match="from_text"):
        model.extract(docre.Document("a", [["a"]], []))
