"""What the server counts, in Prometheus' text format."""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from docre.serve.body import App, Message, Receive, Send

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
TEXTS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts requests by path and status, their seconds, texts and characters, the sizes of batches, and what waits.

    waiting: how many texts wait.
    """

    def __init__(self, waiting: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("docre_requests", "requests", ["path", "status"], registry=self.registry)
        self.seconds = Histogram(
            "docre_extract_seconds", "seconds from request to answer", buckets=SECONDS, registry=self.registry
        )
        self.texts = Counter("docre_texts", "texts that were taken", registry=self.registry)
        self.characters = Counter("docre_characters", "their characters", registry=self.registry)
        self.batch = Histogram("docre_batch_texts", "texts in a batch", buckets=TEXTS, registry=self.registry)
        Gauge("docre_waiting_texts", "texts that wait", registry=self.registry).set_function(waiting)

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)


class Count:
    """ASGI middleware that counts requests, and lets no browser guess the type of an answer. (Starlette's own way to
    write one hides from the application that a client is gone.)"""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500  # that of an error which the server answers, outside of this

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            await self.app(scope, receive, counted)
        finally:
            route: Any = scope.get("route")
            self.metrics.requests.labels(route.path if route else "other", status).inc()
