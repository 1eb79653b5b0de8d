"""A process that does units. Only a pipe connects it with the first process, so that killing one harms no other."""

import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import astuple
from multiprocessing.connection import Connection

import orjson

from docre.corpus.shards import Counts
from docre.corpus.units import Unit
from docre.corpus.worker import Job, Prepared, Worker
from docre.errors import DocreError


class Child:
    """The process, as the first one has it.

    doing: the units that it was given, and has not done yet.
    """

    def __init__(self, job: Job, device: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.device = device
        self.doing: deque[Unit] = deque()
        self.connection, other = context.Pipe()
        self.process = context.Process(target=work, args=(job, device, other), daemon=True)
        self.process.start()
        other.close()  # so that the end of the process closes the pipe

    def give(self, unit: Unit) -> None:
        """Let it do a unit."""
        self.doing.append(unit)
        with suppress(OSError):  # if it was killed, `take` tells
            self.connection.send_bytes(unit.to_bytes())

    def take(self) -> Counts | None:
        """The counts of the unit that it did next; None if it was killed. Raises the DocreError that it met."""
        try:
            answer = orjson.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None
        if isinstance(answer, str):
            raise DocreError(answer)
        self.doing.popleft()
        return Counts(*answer)

    def end(self) -> None:
        """End the process at once."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def work(job: Job, device: str | None, connection: Connection) -> None:
    """What the process does: it sends the counts of each unit that it receives, or the text of a DocreError."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends all
    try:
        worker = Worker(job, device)
        prepared: queue.Queue[Prepared | DocreError] = queue.Queue()
        threading.Thread(target=receive, args=(worker, connection, prepared), daemon=True).start()
        while True:
            made = prepared.get()
            if isinstance(made, DocreError):
                raise made
            connection.send_bytes(orjson.dumps(astuple(worker.finish(made))))
    except DocreError as error:
        connection.send_bytes(orjson.dumps(str(error)))


def receive(worker: Worker, connection: Connection, prepared: "queue.Queue[Prepared | DocreError]") -> None:
    """Prepare units as they come; end the process as soon as the first one has ended, in whatever way."""
    while True:
        try:
            unit = Unit.from_bytes(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)
        try:
            prepared.put(worker.prepare(unit))
        except DocreError as error:
            prepared.put(error)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
