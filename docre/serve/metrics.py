"""What the server counts, in Prometheus' text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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
