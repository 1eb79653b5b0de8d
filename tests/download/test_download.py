"""docre download from a local server that misbehaves in every way."""

import gzip
import hashlib
import json
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

import pytest

from docre.commands.download import download, main
from docre.core import cli
from docre.data.readers import READERS
from docre.download import fetch as fetching
from docre.download import sources, unpack
from docre.download.fetch import fetch
from docre.download.sources import SOURCES, Download, Source
from docre.download.unpack import gunzip, unzip
from docre.errors import DocreError
from docre.formats import BENCHMARKS

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes


@dataclass
class Server:
    """The files of the test server, how it behaves, and what it was asked.

    breaks: for each of the first requests, the number of bytes after which the server closes the connection.
    """

    files: dict = field(default_factory=dict)
    ranges: bool = True
    tag: str | None = '"1"'
    length: bool = True
    breaks: list = field(default_factory=list)
    status: int = 200
    asked: list = field(default_factory=list)  # the Range of each request
    url: str = ""


@pytest.fixture
def server(monkeypatch):
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            state.asked.append(self.headers.get("Range"))
            content = state.files.get(self.path)
            if state.status != 200 or content is None:
                self.send_error(404 if content is None else state.status)
                return
            start = 0
            if state.ranges and "Range" in self.headers and self.headers["If-Range"] in (None, state.tag):
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.tag:
                self.send_header("ETag", state.tag)
            if state.length:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = len(content)
            if state.breaks:
                end = start + state.breaks.pop(0)
            self.wfile.write(content[start:end])

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSE", 0)
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_and_its_checksum(server, tmp_path):
    server.files["/f"] = CONTENT
    assert fetch(f"{server.url}/f", tmp_path / "new" / "f") is True
    assert (tmp_path / "new" / "f").read_bytes() == CONTENT
    assert (tmp_path / "new" / "f.sha256").read_text() == f"{hashlib.sha256(CONTENT).hexdigest()}  f\n"
    assert names(tmp_path / "new") == ["f", "f.sha256"]
    assert fetch(f"{server.url}/f", tmp_path / "new" / "f") is False and len(server.asked) == 1


def test_an_interrupted_transfer_goes_on_where_it_was(server, tmp_path):
    server.files["/f"] = CONTENT
    server.breaks = [100_000, 200_000]
    assert fetch(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=300000-"]


def test_a_second_call_goes_on_where_the_first_gave_up(server, tmp_path):
    server.files["/f"] = CONTENT
    server.breaks = [1000] * fetching.ATTEMPTS
    with pytest.raises(DocreError, match=r"broke off \(4,000 bytes are kept: run the command again"):
        fetch(f"{server.url}/f", tmp_path / "f")
    assert names(tmp_path) == ["f.part", "f.part.version"]
    assert fetch(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT and server.asked[-1] == "bytes=4000-"
    assert names(tmp_path) == ["f", "f.sha256"]


def test_a_file_that_has_changed_meanwhile_is_fetched_anew(server, tmp_path):
    server.files["/f"] = b"old" * 2000
    server.breaks = [1000] * fetching.ATTEMPTS
    with pytest.raises(DocreError):
        fetch(f"{server.url}/f", tmp_path / "f")
    server.files["/f"], server.tag = CONTENT, '"2"'
    assert fetch(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("ranges", "tag", "asked"),
    [(False, '"1"', "bytes=100000-"), (True, None, None), (True, 'W/"weak"', None)],  # a weak tag promises nothing
)
def test_a_server_that_cannot_resume_starts_again(server, tmp_path, ranges, tag, asked):
    server.files["/f"] = CONTENT
    server.breaks = [100_000]
    server.ranges, server.tag = ranges, tag
    assert fetch(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT and server.asked == [None, asked]


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    server.files["/f"] = CONTENT
    (tmp_path / "f.part").write_bytes(b"x" * (len(CONTENT) + 5))
    (tmp_path / "f.part.version").write_text('"1"')
    assert fetch(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_without_a_length(server, tmp_path):
    server.files["/f"], server.length = CONTENT, False
    assert fetch(f"{server.url}/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    server.files["/f"] = CONTENT
    with pytest.raises(DocreError, match=f"wrong checksum: expected SHA-256 {'0' * 64}, got"):
        fetch(f"{server.url}/f", tmp_path / "f", "0" * 64)
    assert names(tmp_path) == []


def test_a_first_download_is_what_a_second_must_equal(server, tmp_path):
    server.files["/f"] = CONTENT
    fetch(f"{server.url}/f", tmp_path / "f")
    (tmp_path / "f").write_bytes(b"spoilt")
    with pytest.raises(DocreError, match="f: not the file that was expected"):
        fetch(f"{server.url}/f", tmp_path / "f")
    (tmp_path / "f").unlink()
    server.files["/f"] = CONTENT + b"!"
    with pytest.raises(DocreError, match="wrong checksum"):
        fetch(f"{server.url}/f", tmp_path / "f")
    (tmp_path / "f.sha256").write_text("")
    with pytest.raises(DocreError, match=r"f\.sha256: expected a SHA-256 checksum"):
        fetch(f"{server.url}/f", tmp_path / "f")


def test_not_there_not_reachable_not_willing(server, tmp_path):
    with pytest.raises(DocreError, match=f"{server.url}/g: HTTP 404 Not Found"):
        fetch(f"{server.url}/g", tmp_path / "f")
    assert len(server.asked) == 1  # asking again would not help
    server.files["/f"], server.status = CONTENT, 503
    with pytest.raises(DocreError, match="HTTP 503"):
        fetch(f"{server.url}/f", tmp_path / "f")
    assert len(server.asked) == 1 + fetching.ATTEMPTS
    with pytest.raises(DocreError, match=r"cannot be reached: .*refused"):
        fetch("http://127.0.0.1:9/f", tmp_path / "f")
    assert names(tmp_path) == []


def test_what_cannot_be_written_or_is_too_much(server, tmp_path, monkeypatch):
    server.files["/f"] = CONTENT
    (tmp_path / "file").write_text("")
    with pytest.raises(DocreError, match="cannot write"):
        fetch(f"{server.url}/f", tmp_path / "file" / "f")
    monkeypatch.setattr(fetching, "LARGEST", 1000)
    with pytest.raises(DocreError, match="more than 1,000 bytes"):
        fetch(f"{server.url}/f", tmp_path / "f")


def zip_file(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def test_only_known_members_are_unpacked(tmp_path):
    files = [("../../a.json", "1"), ("x/b.json", "2"), ("__MACOSX/x/b.json", "?"), ("/etc/c", "3"), ("x/d.json/", "")]
    archive = zip_file(tmp_path / "a.zip", files)
    found = unzip(archive, ("a.json", "b.json", "d.json", "e.json"), tmp_path / "out")
    assert found == [tmp_path / "out/a.json", tmp_path / "out/b.json"]
    assert names(tmp_path) == ["a.json", "a.zip", "b.json", "out"] and (tmp_path / "out/b.json").read_text() == "2"


def test_a_member_without_a_name_is_passed_over(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"")
        archive.writestr("a", "1")
    assert unzip(tmp_path / "a.zip", ("a",), tmp_path / "out") == [tmp_path / "out/a"]


def test_unsound_archives(tmp_path, monkeypatch):
    with pytest.raises(DocreError, match=r"a\.zip: has two files called a"):
        unzip(zip_file(tmp_path / "a.zip", [("x/a", "1"), ("y/a", "2")]), ("a",), tmp_path / "out")
    spoilt = bytearray(zip_file(tmp_path / "b.zip", [("a", "1" * 50)]).read_bytes())
    spoilt[33] ^= 255
    with zipfile.ZipFile(tmp_path / "g.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", "1" * 5000)
    torn = bytearray((tmp_path / "g.zip").read_bytes())
    torn[45:49] = b"\xff" * 4
    named = zip_file(tmp_path / "j.zip", [("\u00e9a", "1")]).read_bytes().replace("\u00e9".encode(), b"\xff\xfe")
    for name, content in (
        ("g.zip", bytes(torn)),
        ("j.zip", named),
        ("b.zip", bytes(spoilt)),
        ("c.zip", b"PK"),
        ("d.zip", bytes(spoilt[:40])),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DocreError, match=f"{name}: not a valid zip archive"):
            unzip(tmp_path / name, ("a",), tmp_path / "out")
    for name, content in (("e.gz", b"no"), ("f.gz", gzip.compress(b"1" * 99)[:-9])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DocreError, match=f"{name}: not a valid gzip file"):
            gunzip(tmp_path / name, tmp_path / "out")
    monkeypatch.setattr(unpack, "LARGEST", 1000)
    (tmp_path / "h.gz").write_bytes(gzip.compress(b"1" * 1001))
    with pytest.raises(DocreError, match="h: more than 1,000 bytes when unpacked"):
        gunzip(tmp_path / "h.gz", tmp_path / "out")
    with pytest.raises(DocreError, match="a: more than 1,000 bytes when unpacked"):
        unzip(zip_file(tmp_path / "i.zip", [("a", "1" * 1001)]), ("a",), tmp_path / "out")
    assert names(tmp_path / "out") == []


DOCUMENT = {"title": "t", "sents": [["a"]], "vertexSet": []}


@pytest.fixture
def source(server, tmp_path):
    """A benchmark on the server: a file, a .gz and an archive."""
    content = json.dumps([DOCUMENT]).encode()
    server.files["/train.json"] = content
    server.files["/dev.json.gz"] = gzip.compress(content)
    server.files["/all.zip"] = zip_file(tmp_path / "all.zip", [("x/test.json", content)]).read_bytes()
    (tmp_path / "all.zip").unlink()
    downloads = (
        Download(f"{server.url}/train.json", hashlib.sha256(content).hexdigest()),
        Download(f"{server.url}/dev.json.gz"),
        Download(f"{server.url}/all.zip", members=("test.json",)),
    )
    documents = {"train.json": 1, "dev.json": 1, "test.json": 1}
    return Source("A benchmark", "MIT", "Somebody 2024", downloads, documents, "Put it into {folder}/.", note="Thanks.")


def test_a_whole_benchmark(server, source, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "redocred", source)
    main(["redocred", "--output", str(tmp_path / "data")])
    folder = tmp_path / "data" / "redocred"
    printed = capsys.readouterr().out
    for text in ("A benchmark", "license: MIT", "please cite: Somebody 2024", f"{folder / 'test.json'}: 1 documents"):
        assert text in printed
    assert "by hand" not in printed and "note: Thanks." in printed
    assert all(len(READERS["docred"](folder / name)) == 1 for name in source.documents)
    asked = len(server.asked)
    main(["redocred", "--output", str(tmp_path / "data")])  # nothing to do
    assert len(server.asked) == asked and "is there already" in capsys.readouterr().out
    (folder / "dev.json").unlink()
    main(["redocred", "--output", str(tmp_path / "data")])  # unpacked again
    assert len(server.asked) == asked and (folder / "dev.json").is_file()


@pytest.mark.parametrize("name", ["dev.json.gz", "all.zip"])
def test_a_page_in_place_of_a_file_is_fetched_again(name, server, source, tmp_path):
    """As a proxy answers that wants a login first."""
    right = server.files[f"/{name}"]
    server.files[f"/{name}"] = b"<html>Please log in</html>"
    with pytest.raises(DocreError, match=f"{name}: not a valid"):
        download(source, tmp_path / "a")
    server.files[f"/{name}"] = right
    download(source, tmp_path / "a")
    assert all((tmp_path / "a" / document).is_file() for document in source.documents)


def test_steps_by_hand_where_a_source_is_unreachable(server, source, tmp_path, capsys):
    del server.files["/dev.json.gz"]
    with pytest.raises(DocreError, match=r"dev\.json\.gz: HTTP 404"):
        download(source, tmp_path / "b")
    assert f"by hand:\nPut it into {tmp_path / 'b'}/." in capsys.readouterr().out
    for name in ("dev.json", "test.json"):
        (tmp_path / "b" / name).write_text(json.dumps([DOCUMENT]))
    asked = len(server.asked)
    download(source, tmp_path / "b")  # put there by hand, nothing is fetched
    assert len(server.asked) == asked


def test_an_incomplete_benchmark_is_said(server, source, tmp_path):
    server.files["/all.zip"] = zip_file(tmp_path / "all.zip", [("other.json", "[]")]).read_bytes()
    with pytest.raises(DocreError, match=r"not complete: test\.json must be put there by hand"):
        download(source, tmp_path / "b")
    (tmp_path / "b" / "test.json").write_text("[]")
    with pytest.raises(DocreError, match=r"test\.json: expected 1 documents, got 0"):
        download(source, tmp_path / "b")


@pytest.mark.parametrize("name", ["dwie", "gda"])
def test_what_docre_cannot_fetch(tmp_path, name, capsys):
    with pytest.raises(DocreError, match="must be put there by hand, as described above"):
        main([name, "--output", str(tmp_path)])
    assert "1. Clone https://" in capsys.readouterr().out and names(tmp_path) == []


def test_the_table_of_sources():
    assert set(SOURCES) == set(BENCHMARKS)
    for source in SOURCES.values():
        assert source.title and source.license and source.citation and source.reader in READERS
        assert "{folder}" in source.manual and source.manual.format(folder="f")
        for file in source.downloads:
            assert urlparse(file.url).scheme == "https" and file.name
            assert file.sha256 is None or (len(file.sha256) == 64 and int(file.sha256, 16))


def test_the_known_checksums_are_those_of_the_files_we_have(shared):
    known = {file.name: file.sha256 for file in SOURCES["redocred"].downloads}
    for name in ("dev_revised.json", "test_revised.json"):
        assert fetching.digest(shared / "data/redocred" / name) == known[name]


def test_what_was_made_by_hand_is_checked(shared, tmp_path, capsys):
    (tmp_path / "cdr").symlink_to(shared / "data/cdr")
    main(["cdr", "--output", str(tmp_path)])
    assert f"{tmp_path / 'cdr/test_filter.data'}: 500 documents" in capsys.readouterr().out


def test_the_shell_sees_one_line_and_exit_code_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.run(lambda: main(["gda", "--output", str(tmp_path)]))
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1
