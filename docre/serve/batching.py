"""A thread that answers the texts of concurrent requests in batches."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from docre.errors import DocreError
from docre.extraction import Extraction

logger = logging.getLogger("docre.serve")

Titled = tuple[str, str]  # title, text
Answer = Callable[[Sequence[Titled]], Sequence[Extraction]]


class QueueFullError(Exception):
    """There is no room for these texts now."""


class StoppedError(Exception):
    """No text is taken any more."""


@dataclass(frozen=True)
class Waiting:
    """A text, and what it becomes. A text whose future is canceled before its turn is left out."""

    text: Titled
    future: "Future[Extraction]" = field(default_factory=Future)


class Batcher:
    """Gives waiting texts to `answer`, in their order and as many at once as the limits allow, in a thread of its own.

    answer:     the extractions of texts, in order.
    max_queue:  how many texts may wait.
    batch_size: how many texts a batch has at most.
    max_characters: how many characters it has at most, unless one text alone has more.
    observe:    called with the number of texts of each batch.

    If a batch fails, each of its texts is tried alone, so that only those that are at fault fail.
    """

    def __init__(
        self,
        answer: Answer,
        max_queue: int,
        batch_size: int,
        max_characters: int,
        observe: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.answer = answer
        self.max_queue = max_queue
        self.batch_size = batch_size
        self.max_characters = max_characters
        self.observe = observe
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="docre-serve", daemon=True)
        self._thread.start()

    def submit(self, texts: Sequence[Titled]) -> "list[Future[Extraction]]":
        """What each text becomes. All are taken or none: raises QueueFullError or StoppedError."""
        waiting = [Waiting(text) for text in texts]
        with self._changed:
            if self._stopping:
                raise StoppedError
            if len(self._queue) + len(waiting) > self.max_queue:  # texts that were given up take no place
                self._queue = deque(one for one in self._queue if not one.future.cancelled())
            if len(self._queue) + len(waiting) > self.max_queue:
                raise QueueFullError
            self._queue.extend(waiting)
            self._changed.notify()
        return [one.future for one in waiting]

    def __len__(self) -> int:
        """How many texts wait."""
        return len(self._queue)

    @property
    def works(self) -> bool:
        """Whether texts are taken and answered."""
        return self._thread.is_alive() and not self._stopping

    def stop(self) -> None:
        """Take no more texts, and return when those that wait are answered."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            running = [one for one in batch if one.future.set_running_or_notify_cancel()]
            if running:
                self.observe(len(running))
                self._answer(running)

    def _next(self) -> list[Waiting]:
        """The texts of the next batch, once there are some; none when all are answered and no more are taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            batch: list[Waiting] = []
            room = self.max_characters
            while self._queue and len(batch) < self.batch_size:
                room -= len(self._queue[0].text[1])
                if batch and room < 0:
                    break
                batch.append(self._queue.popleft())
            return batch

    def _answer(self, batch: Sequence[Waiting]) -> None:
        try:
            found = self.answer([one.text for one in batch])
        except Exception as error:
            if len(batch) > 1:
                for one in batch:
                    self._answer([one])
                return
            if not isinstance(error, DocreError):
                logger.exception("a text could not be extracted from")
            batch[0].future.set_exception(error)
            return
        for one, extraction in zip(batch, found, strict=True):
            one.future.set_result(extraction)
