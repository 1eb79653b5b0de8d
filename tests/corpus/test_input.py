"""Which files and documents of a corpus are read, and what is said of the others."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch

from docre.commands import extract, graph, predict
from docre.core.listing import expand, is_inside
from docre.core.storage import Input, remove
from docre.corpus import ray_engine
from docre.corpus import run as module
from docre.corpus import units as units_module
from docre.corpus.blame import blamed
from docre.corpus.engines import alone
from docre.corpus.shards import Output
from docre.corpus.units import units
from docre.data.readers import READERS
from docre.data.readers.base import reads
from docre.data.readers.docred import read_docred, to_json
from docre.data.readers.records import lines as cut_lines
from docre.data.readers.records import raw_lines
from docre.errors import DocreError
from docre.inference.texts import MAX_BYTES
from docre.text import TAGGERS
from tests.commands.test_extract import Words
from tests.corpus.test_corpus import lines, run
from tests.data.samples import SAMPLES
from tests.tiny import random_documents

LINES = [json.dumps(to_json(d)) for d in random_documents(6, seed=5)]


def rejected(output: Path) -> list[str]:
    return [json.loads(line)["reason"] for line in (output / "rejected.jsonl").read_text().splitlines()]


@pytest.fixture(autouse=True)
def _words():
    there = "words" in TAGGERS
    if not there:
        TAGGERS.register("words")(Words)
    yield
    if not there:
        TAGGERS.unregister("words")


def extract_into(saved: Path, source: object, output: Path, *options: str) -> None:
    extract.main(["--checkpoint", str(saved), "--tagger", "words", str(source), "--output", f"{output}/", *options])


def test_lines_are_not_read_byte_by_byte(tmp_path):
    (tmp_path / "f").write_bytes((b"x" * 2000 + b"\n") * 2000)
    began = time.process_time()
    assert sum(1 for _ in raw_lines(Input(str(tmp_path / "f"), 4_002_000))) == 2000
    assert time.process_time() - began < 0.5


def test_txt_files_are_read_by_their_reader(tmp_path):
    (tmp_path / "many.txt").write_text(SAMPLES["pubtator"])
    (tmp_path / "notes.md").write_text("no documents")
    (tmp_path / "other.json").write_text("[]")
    reader = READERS["pubtator"]
    files = expand(str(tmp_path), reader.suffixes)
    assert [Path(file.path).name for file in files] == ["many.txt"]
    (unit,) = units(0, files, reader, 100)
    assert [reader.parse(record) for record in unit.records] == reader(tmp_path / "many.txt")
    assert len(unit.records) > 1


def test_txt_files_that_the_reader_does_not_read(saved, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_text(LINES[0])
    (tmp_path / "in/readme.txt").write_text("no document")
    run(saved, tmp_path / "in", tmp_path / "out")
    assert len(lines(tmp_path / "out")) == 1 and not rejected(tmp_path / "out")
    with pytest.raises(DocreError, match=r"none of 1 documents can be predicted; the first: .*readme\.txt: line 1"):
        run(saved, tmp_path / "in/readme.txt", tmp_path / "out2")


def test_texts_without_byte_order_mark_and_of_bounded_length(saved, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_bytes(b"\xef\xbb\xbfone two three four five")
    with (tmp_path / "in/large.txt").open("wb") as file:
        file.truncate(10 << 30)  # a sparse file
    (tmp_path / "in/long.txt").write_text("word " * 100_001)
    (tmp_path / "in/wide.txt").write_bytes("\N{GRINNING FACE}".encode() * (MAX_BYTES // 4 + 1))
    extract_into(saved, tmp_path / "in", tmp_path / "out")
    (found,) = lines(tmp_path / "out")
    assert found["text"] == "one two three four five"
    large, long, wide = rejected(tmp_path / "out")
    assert "large.txt: more than 500,000 characters" in large and "wide.txt: more than 500,000 characters" in wide
    assert "500,005 characters; one text may have 500,000" in long


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_graph_of_what_was_extracted(form, saved, tmp_path):
    """`docre graph` takes the folder that `docre extract` has written, or a part of it."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
    texts = [{"title": f"t{i}", "text": f"{word} two three four five"} for i, word in enumerate(("one", "six", "ten"))]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    found = tmp_path / "found"
    extract_into(saved, tmp_path / "in.jsonl", found, "--part-size", "2", "--format", form)
    parts = sorted(found.glob("part-*"))
    assert len(parts) == 2
    for source, expected in ((f"{found}/", texts), (parts[1], texts[2:])):
        graph.main([str(source), "--output", str(tmp_path / "all.jsonl")])
        rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
        assert [{key: row[key] for key in ("title", "text")} for row in rows] == expected
        assert all(row["entities"] and row["entities"][0]["mentions"][0]["score"] is None for row in rows)
    with pytest.raises(DocreError, match="units: no parts of a corpus there"):
        graph.main([f"{found}/units", "--output", str(tmp_path / "none.nt")])
    with pytest.raises(DocreError, match=rf"found/{parts[0].name}: this would replace the input"):
        graph.main([str(found), "--output", str(parts[0])])
    manifest = json.loads((found / "manifest.json").read_text())
    (found / "manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    with pytest.raises(DocreError, match="found: not complete: run the command that began it again"):
        graph.main([str(found), "--output", str(tmp_path / "none.nt")])
    (found / "manifest.json").write_text(json.dumps(manifest))
    parts[0].unlink()
    with pytest.raises(DocreError, match=f"found: {parts[0].stem} is missing, though its documents were predicted"):
        graph.main([str(found), "--output", str(tmp_path / "none.nt")])
    assert not (tmp_path / "none.nt").exists()


def test_the_output_is_no_input(saved, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.jsonl").write_text("\n".join(LINES))
    (tmp_path / "link").symlink_to(source)
    for _ in range(2):
        run(saved, source, source / "out")
    for _ in range(2):
        run(saved, tmp_path / "link/**/a.jsonl", tmp_path / "link/out2")
    assert len(lines(source / "out")) == len(lines(source / "out2")) == 6
    with pytest.raises(DocreError, match="no files there but those of the output"):
        run(saved, source / "out", source / "out")
    assert is_inside(f"{tmp_path}/link/out/a", f"{source}/out/")
    assert not is_inside(f"{source}/outer", f"{source}/out")


def test_addresses_of_the_output(tmp_path):
    pytest.importorskip("fsspec")
    assert is_inside("memory://b/out/part", "memory://b/out/")
    assert not is_inside("memory://b/outer/part", "memory://b/out/") and not is_inside("/b/out/part", "memory://b/out/")
    assert is_inside(f"file://{tmp_path}/out/part", f"{tmp_path}/out")


def test_a_name_that_exists_is_no_pattern(tmp_path):
    for name in ("a[1].jsonl", "a1.jsonl", "b*.jsonl", "b2.jsonl"):
        (tmp_path / name).write_text("x")
    (tmp_path / "c[2]").mkdir()
    (tmp_path / "c[2]/d.jsonl").write_text("x")

    def names(pattern: str) -> list[str]:
        return [os.path.relpath(file.path, tmp_path) for file in expand(f"{tmp_path}/{pattern}", [".jsonl"])]

    assert names("a[1].jsonl") == ["a[1].jsonl"] and names("b*.jsonl") == ["b*.jsonl"]
    assert names("c[2]") == ["c[2]/d.jsonl"]
    assert names("a[0-9].jsonl") == ["a1.jsonl"] and names("*1*.jsonl") == ["a1.jsonl", "a[1].jsonl"]


def test_links(tmp_path):
    """Each folder is read once, whatever leads there, and an output folder may be a link."""
    (tmp_path / "data/real").mkdir(parents=True)
    for name in ("data/a.jsonl", "data/real/b.jsonl"):
        (tmp_path / name).write_text("x")
    (tmp_path / "data/loop").symlink_to(tmp_path / "data")
    (tmp_path / "linked").symlink_to(tmp_path / "data/real")
    for pattern in ("data", "data/**/*.jsonl"):
        found = [file.path for file in expand(str(tmp_path / pattern), {".jsonl"})]
        assert found == [str(tmp_path / "data/a.jsonl"), str(tmp_path / "data/real/b.jsonl")]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/sub").symlink_to(tmp_path / "data/real")
    assert [file.path for file in expand(str(tmp_path / "other"), {".jsonl"})] == [str(tmp_path / "other/sub/b.jsonl")]
    assert is_inside(str(tmp_path / "data/real/b.jsonl"), str(tmp_path / "linked"))
    assert not is_inside(str(tmp_path / "data/a.jsonl"), str(tmp_path / "linked"))


def test_names_of_files(tmp_path):
    (tmp_path / "broken.jsonl").symlink_to(tmp_path / "none")
    with pytest.raises(DocreError, match=r"broken\.jsonl: No such file"):
        expand(str(tmp_path), [".jsonl"])
    (tmp_path / "broken.jsonl").unlink()
    with open(os.fsencode(tmp_path) + b"/\xff.jsonl", "w"):
        pass
    with pytest.raises(DocreError, match=r"\\udcff\.jsonl': the name of the file is not UTF-8"):
        expand(str(tmp_path), [".jsonl"])


def test_addresses_that_are_listed(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for name in ("/listed/a[1].jsonl", "/listed/deep/b.jsonl.gz", "/listed/c.md"):
        memory.pipe_file(name, b"xyz")
    found = [(file.path, file.size) for file in expand("memory://listed", [".jsonl"])]
    assert found == [("memory:///listed/a[1].jsonl", 3), ("memory:///listed/deep/b.jsonl.gz", 3)]
    assert [file.path for file in expand("memory://listed/a[1].jsonl", [])] == ["memory:///listed/a[1].jsonl"]
    assert [file.size for file in expand("memory://listed/**/*.gz", [])] == [3]
    remove("memory://listed/c.md")
    remove("memory://listed/c.md")
    assert not memory.exists("/listed/c.md")


def test_a_wrong_reader_ends_with_one_line_and_a_right_one_begins_anew(saved, tmp_path, monkeypatch):
    (tmp_path / "a.jsonl").write_text("\n".join(LINES))
    for options, message in (
        (["--reader", "jsonl"], r"none of 6 documents can be predicted; the first: .*use --reader docred"),
        (["--reader", "jsonl", "--strict"], r"a\.jsonl: line 1: "),
    ):
        with pytest.raises(DocreError, match=message):
            run(saved, tmp_path / "a.jsonl", tmp_path / "out", *options)
    (tmp_path / "long.jsonl").write_text("\n".join(LINES * 4))
    monkeypatch.setattr(module, "FIRST", 10)
    with pytest.raises(DocreError, match="none of 14 documents can be predicted"):
        run(saved, tmp_path / "long.jsonl", tmp_path / "out", "--reader", "jsonl")
    assert not list((tmp_path / "out").glob("part-*"))
    with monkeypatch.context() as killed:
        killed.setattr(Output, "clear", lambda self: sys.exit())
        with pytest.raises(SystemExit):
            run(saved, tmp_path / "long.jsonl", tmp_path / "out", "--reader", "jsonl")
    assert list((tmp_path / "out").glob("part-*"))
    run(saved, tmp_path / "a.jsonl", tmp_path / "out")
    assert len(lines(tmp_path / "out")) == 6 and rejected(tmp_path / "out") == []


def test_a_mistake_in_a_plugin_rejects_a_document_but_memory_ends_the_run(saved, tmp_path):
    failure: list[type[Exception]] = [KeyError]

    @READERS.register("mistaken")
    @reads(cut_lines)
    def read_mistaken(record):
        """A reader with a mistake."""
        if record.number == 2:
            raise failure[0]("x")
        return read_docred.parse(record)

    try:
        (tmp_path / "a.jsonl").write_text("\n".join(LINES))
        run(saved, tmp_path / "a.jsonl", tmp_path / "out", "--reader", "mistaken")
        assert len(lines(tmp_path / "out")) == 5
        (reason,) = rejected(tmp_path / "out")
        assert reason.startswith(f"{tmp_path}/a.jsonl: document 2: KeyError: 'x' (test_input.py, line ")
        with pytest.raises(DocreError, match=r"a\.jsonl: document 2: KeyError"):
            run(saved, tmp_path / "a.jsonl", tmp_path / "strict", "--reader", "mistaken", "--strict")
        failure[0] = MemoryError
        with pytest.raises(MemoryError):
            run(saved, tmp_path / "a.jsonl", tmp_path / "memory", "--reader", "mistaken")
    finally:
        READERS.unregister("mistaken")


def test_a_gpu_that_failed_ends_the_run(monkeypatch):
    def broken():
        raise RuntimeError("CUDA error: an illegal memory access\nmore")

    assert str(blamed(DocreError("a: wrong"), "b")) == "a: wrong"
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", broken)
    with pytest.raises(DocreError, match="the GPU failed: CUDA error: an illegal memory access: the same command"):
        blamed(RuntimeError("x"), "b")


def test_one_bad_element_of_a_list_is_left_out(saved, tmp_path):
    bad = [b'{"title": "\xff"}', b"{no}", b'{"title": 3}']
    content = [LINES[0].encode(), *bad, LINES[1].encode()]
    (tmp_path / "a.json").write_bytes(b"[" + b",\n".join(content) + b"]")
    run(saved, tmp_path / "a.json", tmp_path / "out")
    assert [line["number"] for line in lines(tmp_path / "out")] == [0, 4]
    utf8, syntax, field = rejected(tmp_path / "out")
    assert "not UTF-8" in utf8 and "line 3: not valid JSON" in syntax and "'title'" in field


def test_output_folders(saved, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text("\n".join(LINES))
    Path("a.json").write_text(f"[{LINES[0]}]")
    command = ["--checkpoint", str(saved), "--input", "a.jsonl", "--threads", "1", "--output"]
    for _ in range(2):
        predict.main([*command, "found"])
    assert len(lines(Path("found"))) == 6 and lines(Path("found"))[0]["file"] == str(tmp_path / "a.jsonl")
    Path("plain").write_text("")
    predict.main(["--checkpoint", str(saved), "--input", "a.json", "--output", "plain"])
    assert json.loads(Path("plain").read_text())
    for output, message in (
        ("plain", "--threads: needs a folder as --output"),
        ("result.json", "--threads: needs a folder as --output"),
        ("plain/", "plain"),
        ("memory://b/x.json", "ends with a slash: memory://b/x.json/"),
    ):
        with pytest.raises(DocreError, match=message):
            predict.main([*command, output])


def test_relative_paths_do_not_leave_the_first_process(saved, tmp_path, monkeypatch):
    """Processes of a Ray cluster are in another folder."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text("\n".join(LINES))

    def elsewhere(groups, job, workers=None):
        os.chdir("/")
        yield from alone(groups, job)

    monkeypatch.setattr(ray_engine, "on_ray", elsewhere)
    options = ["--checkpoint", os.path.relpath(saved), "--input", "a.jsonl", "--output", "found", "--engine", "ray"]
    predict.main(options)
    assert len(lines(tmp_path / "found")) == 6


def test_a_corpus_that_goes_on_reads_each_count_once(saved, tmp_path, monkeypatch):
    from docre.corpus import shards

    (tmp_path / "a.jsonl").write_text("\n".join(LINES * 4))
    run(saved, tmp_path / "a.jsonl", tmp_path / "out")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    (tmp_path / "out/manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    (tmp_path / "out/part-00000-00002.jsonl").unlink()
    original, read = shards.read_content, []
    monkeypatch.setattr(shards, "read_content", lambda path: read.append(Path(path).name) or original(path))
    run(saved, tmp_path / "a.jsonl", tmp_path / "out")
    assert sorted(read) == [*(f"00000-0000{i}.json" for i in range(4)), "manifest.json"]
    assert json.loads((tmp_path / "out/manifest.json").read_text()) == manifest


def test_a_row_of_a_parquet_file_is_no_longer_than_a_document_may_be(tmp_path, monkeypatch):
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    monkeypatch.setattr(units_module, "MAX_RECORD", 1000)
    parquet.write_table(pyarrow.table({"text": ["short", "x" * 1000, "also short"]}), tmp_path / "a.parquet")
    found = list(units_module.rows(tmp_path / "a.parquet"))
    assert [record.error is None for record in found] == [True, False, True]
    assert "a.parquet: row 1: " in found[1].error and not found[1].content
