"""The web application: the page, POST /extract, /healthz and /metrics."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException as StarletteError

from docre.core.files import is_unicode
from docre.core.page import render
from docre.errors import DocreError
from docre.extraction import Extraction
from docre.graph import exporter_for, formats
from docre.graph.html import FOLDER as VIEWER
from docre.serve.batching import Answer, Batcher, QueueFullError, StoppedError, Titled
from docre.serve.body import LimitBody
from docre.serve.metrics import Count, Metrics

PAGE = Path(__file__).parent / "page"
LOOK = 0.5  # seconds between two looks whether the client is still there
BYTES_A_CHARACTER = 12  # of JSON at most: "\\ud83d\\ude00" is one character
MEDIA_TYPES = {".html": "text/html; charset=utf-8", ".zip": "application/zip"}  # others are plain text
CONNECT = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'"


@dataclass(frozen=True)
class Limits:
    """max_queue: texts that may wait. max_characters: of all texts of a request. timeout: seconds until an answer.
    batch_size: texts that are answered together."""

    max_queue: int = 256
    max_characters: int = 50_000
    timeout: float = 60.0
    batch_size: int = 16


class Body(BaseModel):
    """What POST /extract takes: `text`, perhaps with `title`, or `texts`, perhaps with a title for each.

    min_confidence: leave out triples that are less certain (0 to 1).
    format:         the suffix of a format of `docre graph`, such as "ttl" or "html", instead of JSON.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str | None = None
    title: str = "text"
    texts: list[str] | None = None
    titles: list[str] | None = None
    min_confidence: float | None = Field(None, ge=0, le=1)
    format: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Body":
        if (self.text is None) == (self.texts is None):
            raise ValueError("expected either 'text' or 'texts'")
        if self.titles is not None and len(self.titles) != len(self.texts or []):
            raise ValueError("expected as many 'titles' as 'texts'")
        return self

    def titled(self) -> list[Titled]:
        """Every text with its title."""
        if self.text is not None:
            return [(self.title, self.text)]
        texts = self.texts or []
        return list(zip(self.titles or [f"text {i}" for i in range(1, len(texts) + 1)], texts, strict=True))

    def field(self, i: int) -> str:
        """What the i-th text is called in messages."""
        return "text" if self.text is not None else f"texts[{i}]"


def make_app(answer: Answer, limits: Limits) -> FastAPI:
    """The application. `answer`: the extractions of (title, text) pairs, called in one thread only.

    Errors are JSON objects with one line in `error`: 400 and 422 for what is wrong with the request, 408 and 413 for a
    body that is too slow or too long, 503 (with Retry-After) if too many texts wait or the server stops, 504 if the
    answer takes too long. A request is answered completely or with an error.
    """
    metrics = Metrics(lambda: len(batcher))
    batcher = Batcher(answer, limits.max_queue, limits.batch_size, limits.max_characters, metrics.batch.observe)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(batcher.stop)

    # the pages of documentation that FastAPI offers load scripts from elsewhere; /openapi.json does not
    app = FastAPI(title="docre", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.batcher = batcher

    app.add_middleware(LimitBody, max_bytes=BYTES_A_CHARACTER * limits.max_characters + 10_000, seconds=limits.timeout)

    app.add_middleware(Count, metrics=metrics)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return failure(400, "the request is not JSON")
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return failure(422, f"{where}: {first['msg'].removeprefix('Value error, ')}")

    @app.exception_handler(StarletteError)
    async def refused(request: Request, error: StarletteError) -> JSONResponse:
        return failure(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return failure(500, "an error in the server; its log has the details")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page() -> HTMLResponse:
        listed = sorted(suffix[1:] for suffix in formats() if suffix != ".html")
        text = render(PAGE, [], base=VIEWER, title="docre", policy=CONNECT, formats=listed)
        return HTMLResponse(text, headers={"Content-Security-Policy": f"{CONNECT}; frame-ancestors 'none'"})

    @app.post("/extract")
    async def extract(body: Body, request: Request) -> Response:
        """Entities and triples of a text (an object), or of texts (a list of objects)."""
        start = time.monotonic()
        check(body, limits)
        texts = body.titled()
        futures = submit(texts, batcher)
        metrics.texts.inc(len(texts))
        metrics.characters.inc(sum(len(text) for _, text in texts))
        found = await answers(body, futures, limits.timeout, request.is_disconnected)
        response = await run_in_threadpool(respond, body, found)
        metrics.seconds.observe(time.monotonic() - start)
        return response

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        """200 as long as texts are answered."""
        return JSONResponse({"status": "ok"}) if batcher.works else failure(503, "stopping")

    @app.get("/metrics")
    def numbers() -> Response:
        """What was counted, in Prometheus' text format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def failure(status: int, message: str, headers: Any = None) -> JSONResponse:
    """The answer to a request that fails."""
    return JSONResponse({"error": " ".join(message.split())}, status, headers)


def check(body: Body, limits: Limits) -> None:
    """Raises HTTPException for texts that are empty, too long or too many, and for an unknown format."""
    texts = body.titled()
    if len(texts) > limits.max_queue:
        raise HTTPException(413, f"texts: {len(texts):,} texts; at most {limits.max_queue:,} are taken at once")
    characters = sum(len(text) for _, text in texts)
    if characters > limits.max_characters:
        where = "text" if body.text is not None else "texts"
        raise HTTPException(413, f"{where}: {characters:,} characters; at most {limits.max_characters:,} are taken")
    for i, (title, text) in enumerate(texts):
        if not text.strip():
            raise HTTPException(422, f"{body.field(i)}: empty text")
        if not is_unicode(title + text):
            raise HTTPException(422, f"{body.field(i)}: not valid Unicode (a lone surrogate)")
    if body.format is not None and f".{body.format}" not in formats():
        listed = ", ".join(sorted(suffix[1:] for suffix in formats()))
        raise HTTPException(422, f"format: expected one of {listed}")


def submit(texts: Sequence[Titled], batcher: Batcher) -> "list[asyncio.Future[Extraction]]":
    """What each text becomes. Raises HTTPException if there is no room for them."""
    try:
        return [asyncio.wrap_future(future) for future in batcher.submit(texts)]
    except QueueFullError:
        raise HTTPException(503, "too many texts wait: try again", {"Retry-After": "1"}) from None
    except StoppedError:
        raise HTTPException(503, "the server stops", {"Retry-After": "10"}) from None


async def answers(
    body: Body,
    futures: "Sequence[asyncio.Future[Extraction]]",
    timeout: float,
    is_gone: Callable[[], Awaitable[bool]],
) -> list[Extraction]:
    """The extraction of each text of a request. Raises HTTPException if one fails, or takes too long, or the client is
    gone. What waits for its turn is left out then."""
    waiting, until = set(futures), time.monotonic() + timeout
    while waiting:
        _, waiting = await asyncio.wait(waiting, timeout=min(LOOK, max(0, until - time.monotonic())))
        late, gone = time.monotonic() >= until, await is_gone()
        if waiting and (late or gone):
            for future in waiting:
                future.cancel()
            if gone:
                raise HTTPException(499, "the client has closed the connection")
            raise HTTPException(504, f"no answer within {timeout:g} seconds: divide the text, or try again")
    for i, error in enumerate([future.exception() for future in futures]):
        if isinstance(error, DocreError):
            raise HTTPException(422, f"{body.field(i)}: {error}")
        if error is not None:
            raise HTTPException(500, f"{body.field(i)}: an error in the server; its log has the details")
    return [future.result() for future in futures]


def respond(body: Body, found: Sequence[Extraction]) -> Response:
    """The answer, as JSON or in the format that is wanted."""
    if body.min_confidence is not None:
        found = [surer(extraction, body.min_confidence) for extraction in found]
    if body.format is None:
        objects = [extraction.to_json() for extraction in found]
        return JSONResponse(objects if body.texts is not None else objects[0])
    name = f"docre.{body.format}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            exporter_for(name)(found, Path(folder) / name)
        except DocreError as error:
            raise HTTPException(422, f"format: {str(error).replace(f'{folder}/', '')}") from None
        content = (Path(folder) / name).read_bytes()
    media_type = MEDIA_TYPES.get(f".{body.format}", "text/plain; charset=utf-8")
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def surer(extraction: Extraction, confidence: float) -> Extraction:
    """A copy with only the triples that have at least this confidence. Raises HTTPException if it is unknown."""
    if any(triple.confidence is None for triple in extraction.triples):
        raise HTTPException(422, "min_confidence: this checkpoint has no calibration, so that confidence is unknown")
    return extraction.surer(confidence)
