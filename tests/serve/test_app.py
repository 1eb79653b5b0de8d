"""The API of `docre serve`: answers, limits, and what happens to a text that fails."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")
from fastapi.testclient import TestClient

from docre.errors import DocreError
from docre.extraction import ExtractedEntity, Extraction, Span
from docre.serve.app import Limits, make_app
from docre.serve.batching import Batcher, QueueFullError, StoppedError
from tests.test_extraction import GOOD


def answer(texts):
    """One entity, the whole text. A text with "poison" fails, and the batch with it."""
    for title, text in texts:
        if "poison" in text:
            raise ZeroDivisionError
        if "wrong" in text:
            raise DocreError(f"{title}: wrong")
    return [Extraction(title, text, (ExtractedEntity(text, "X", (Span(0, len(text)),)),)) for title, text in texts]


@pytest.fixture
def client():
    with TestClient(make_app(answer, Limits(max_queue=8, max_characters=100, timeout=20))) as client:
        yield client


def test_forms(client):
    one = client.post("/extract", json={"text": "Ada 🙂", "title": "t"})
    assert one.status_code == 200 and Extraction.from_json(one.content).part(Span(0, 5)) == "Ada 🙂"
    both = client.post("/extract", json={"texts": ["Ada", "Bob"]}).json()
    assert [e["title"] for e in both] == ["text 1", "text 2"] and [e["text"] for e in both] == ["Ada", "Bob"]
    assert client.post("/extract", json={"texts": []}).json() == []
    line = client.post("/extract", json={"text": "Ada", "format": "jsonl"})
    assert Extraction.from_json(line.text) == answer([("text", "Ada")])[0]
    assert client.post("/extract", json={"text": "Ada", "format": "zip"}).content.startswith(b"PK")
    assert client.get("/healthz").json() == {"status": "ok"}
    assert 'docre_requests_total{path="/extract",status="200"} 5.0' in client.get("/metrics").text
    assert "/extract" in client.get("/openapi.json").json()["paths"] and client.get("/docs").status_code == 404
    page = client.get("/")
    assert (
        "<textarea" in page.text
        and "//cdn" not in page.text
        and "connect-src 'self'" in page.headers["content-security-policy"]
    )


@pytest.mark.parametrize(
    "content, status, message",
    [
        ({"text": " \n"}, 422, "text: empty text"),
        ({"texts": ["a", ""]}, 422, "texts[1]: empty text"),
        ({"text": 5}, 422, "text: "),
        ({"text": "a", "texts": []}, 422, "either 'text' or 'texts'"),
        ({}, 422, "either 'text' or 'texts'"),
        ({"texts": ["a"], "titles": []}, 422, "as many 'titles'"),
        ({"text": "a", "txt": 1}, 422, "txt: "),
        ({"text": "a", "min_confidence": 2}, 422, "min_confidence: "),
        ({"text": "a", "format": "doc"}, 422, "format: expected one of"),
        ({"text": "a" * 101}, 413, "101 characters"),
        ({"texts": ["a"] * 9}, 413, "9 texts"),
        ({"text": "a" * 20_000}, 413, "bytes"),
        ({"text": "wrong"}, 422, "text: text: wrong"),
        ({"texts": ["good", "poison"]}, 500, "texts[1]: an error in the server"),
        (b"{", 400, "not JSON"),
        (b"[" * 10_000, None, ""),
        (b"\xff\xfe", None, ""),
        (b'"\\ud800"', 422, ""),
        (b'{"text": "\\ud800"}', 422, "text: "),
    ],
)
def test_bad_requests(client, content, status, message):
    sent = {"content": content, "headers": {"content-type": "application/json"}}
    found = client.post("/extract", **(sent if isinstance(content, bytes) else {"json": content}))
    assert found.status_code == status if status else 400 <= found.status_code < 500, found.text
    error = found.json()["error"]
    assert message in error and "\n" not in error and list(found.json()) == ["error"]


def test_min_confidence():
    """The confidence of the only triple is 0.8."""
    with TestClient(make_app(lambda texts: [GOOD for _ in texts], Limits())) as client:
        for least, triples in ((0.9, 0), (0.5, 1)):
            asked = client.post("/extract", json={"text": GOOD.text, "min_confidence": least})
            assert asked.status_code == 200 and len(asked.json()["triples"]) == triples


def test_min_confidence_needs_a_calibration():
    unsure = replace(GOOD, triples=tuple(replace(triple, confidence=None) for triple in GOOD.triples))
    with TestClient(make_app(lambda texts: [unsure for _ in texts], Limits())) as client:
        asked = client.post("/extract", json={"text": GOOD.text, "min_confidence": 0.0})
        assert asked.status_code == 422 and "no calibration" in asked.json()["error"]


def test_a_full_queue_and_a_timeout():
    held, batches = threading.Event(), []

    def slow(texts):
        batches.append([text for _, text in texts])
        held.wait(20)
        return answer(texts)

    app = make_app(slow, Limits(max_queue=2, timeout=4))
    with TestClient(app) as client, ThreadPoolExecutor(3) as pool:
        first = pool.submit(client.post, "/extract", json={"text": "first"})
        while not batches:
            time.sleep(0.01)
        second = pool.submit(client.post, "/extract", json={"texts": ["a", "b"]})
        while len(app.state.batcher) < 2:
            time.sleep(0.01)
        full = client.post("/extract", json={"text": "third"})
        assert full.status_code == 503 and full.headers["retry-after"] == "1"
        assert first.result().status_code == second.result().status_code == 504
        held.set()
        assert client.post("/extract", json={"text": "after"}).status_code == 200
    assert ["a", "b"] not in batches  # they were given up before their turn


def test_refused_bodies_and_broken_answers_are_counted(client):
    assert client.post("/extract", json={"text": "a" * 20_000}).status_code == 413
    said = client.get("/metrics").text
    assert 'status="413"' in said and client.get("/healthz").headers["x-content-type-options"] == "nosniff"


async def at_once(app, *messages) -> list[dict]:
    """What an ASGI app sends for a POST to /extract with these messages."""
    sent, left = [], list(messages)

    async def receive() -> dict:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/extract"}
    scope |= {"query_string": b"", "headers": [(b"content-type", b"application/json")], "raw_path": b"/extract"}
    await app(scope, receive, send)
    return sent


def test_a_client_that_is_gone_is_not_answered():
    """Neither the half of a body that came before, nor a text that waits for its turn."""
    go, seen = threading.Event(), []

    def held(texts):
        seen.extend(text for _, text in texts)
        go.wait(20)
        return answer(texts)

    app = make_app(held, Limits(max_queue=8, batch_size=1, timeout=20))
    half = {"type": "http.request", "body": b'{"text": "half"}', "more_body": True}
    assert asyncio.run(at_once(app, half))[0]["status"] == 499
    whole = {"type": "http.request", "body": b'{"text": "whole"}', "more_body": False}
    first = app.state.batcher.submit([("", "first")])
    while not seen:
        time.sleep(0.01)
    start, *_ = asyncio.run(at_once(app, whole))
    assert start["status"] == 499
    go.set()
    app.state.batcher.stop()
    assert first[0].result().text == "first" and seen == ["first"]


def test_a_batch_is_bounded_and_one_poisoned_text_fails_alone():
    sizes, started, go = [], threading.Event(), threading.Event()

    def held(texts):
        started.set()
        go.wait(20)
        return answer(texts)

    batcher = Batcher(held, 100, 3, 20, sizes.append)
    first = batcher.submit([("", "x")])
    started.wait(20)
    texts = ["a", "poison", "b", "wrong", "c" * 30, "d" * 15, "e" * 15]
    futures = batcher.submit([("", text) for text in texts])
    with pytest.raises(QueueFullError):
        batcher.submit([("", "y")] * 94)
    go.set()
    batcher.stop()
    assert sizes == [1, 3, 1, 1, 1, 1]
    failed = [type(future.exception()) for future in futures]
    none = type(None)
    assert failed == [none, ZeroDivisionError, none, DocreError, none, none, none]
    assert [f.result().text for f in first] == ["x"] and futures[2].result().text == "b"
    with pytest.raises(StoppedError):
        batcher.submit([("", "z")])
