"""The engines that do units: this process, or several of this machine. Ray's is in docre.corpus.ray_engine.

An engine is a function (groups, job, ...) that yields the Counts of each unit once it is written, in any order. It
takes the units one after another, and holds only a few.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice

from docre.corpus.shards import Counts
from docre.corpus.units import Group, Unit
from docre.corpus.worker import Job, Prepared, Worker
from docre.errors import DocreError

DEATHS = 3  # of workers in a row, with no unit done between them


def all_units(groups: Sequence[Group]) -> Iterator[Unit]:
    """The units of all groups, in order."""
    return chain.from_iterable(group() for group in groups)


def alone(groups: Sequence[Group], job: Job) -> Iterator[Counts]:
    """In this process. The next unit is featurized while one is predicted."""
    worker = Worker(job)
    with ThreadPoolExecutor(1) as pool:
        ahead: deque[Future[Prepared]] = deque()
        for unit in all_units(groups):
            ahead.append(pool.submit(worker.prepare, unit))
            if len(ahead) > 1:
                yield worker.finish(ahead.popleft().result())
        for each in ahead:
            yield worker.finish(each.result())


def processes(groups: Sequence[Group], job: Job, number: int, devices: int = 0) -> Iterator[Counts]:
    """In `number` new processes, of which each has one of the first `devices` GPUs in turn (0: the CPU, or the GPU).

    A process that is killed is replaced, and its units are done again. Raises DocreError if that happens DEATHS times
    in a row.
    """
    waiting: deque[Unit] = deque()  # units of processes that were killed
    remaining = all_units(groups)
    deaths = 0
    while True:
        doing: dict[Future[Counts], Unit] = {}
        context = multiprocessing.get_context("spawn")
        places = context.Queue()
        for i in range(number):
            places.put(f"cuda:{i % devices}" if devices else None)
        pool = ProcessPoolExecutor(number, context, initializer=start_worker, initargs=(job, places))
        try:
            while True:
                waiting.extend(islice(remaining, max(0, 2 * number - len(doing) - len(waiting))))
                while waiting and len(doing) < 2 * number:
                    doing[pool.submit(do, waiting[0])] = waiting[0]
                    waiting.popleft()
                if not doing:
                    return
                done, _ = wait(doing, return_when=FIRST_COMPLETED)
                for future in done:
                    counts = future.result()
                    del doing[future]
                    deaths = 0
                    yield counts
        except BrokenProcessPool:
            waiting.extend(doing.values())
            deaths += 1
            if deaths == DEATHS:
                names = ", ".join(sorted(unit.name for unit in waiting))
                message = f"{DEATHS} times in a row a process was killed (out of memory?), at units {names}"
                raise DocreError(message) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


worker: Worker | None = None  # of this process


def start_worker(job: Job, places: "multiprocessing.Queue[str | None]") -> None:
    """Make the Worker of a new process."""
    global worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops all
    threading.Thread(target=end_with_parent, daemon=True).start()
    worker = Worker(job, places.get())


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, in whatever way."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def do(unit: Unit) -> Counts:
    """Do a unit in such a process."""
    assert worker is not None
    return worker(unit)
