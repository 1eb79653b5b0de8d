"""The engines that do units: this process, or several of this machine. Ray's is in docre.corpus.ray_engine.

An engine is a function (groups, job, ...) that yields the Counts of each unit once it is written, in any order. It
takes the units one after another, and holds only a few.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from multiprocessing.connection import wait

from docre.corpus.child import Child
from docre.corpus.shards import Counts
from docre.corpus.units import Group, Unit
from docre.corpus.worker import Job, Prepared, Worker
from docre.errors import DocreError

DEATHS = 3  # of processes, with no unit done between them
AHEAD = 2  # units that a process has at once: it does one, and prepares the other


def all_units(groups: Sequence[Group]) -> Iterator[Unit]:
    """The units of all groups, in order."""
    return chain.from_iterable(group() for group in groups)


def alone(groups: Sequence[Group], job: Job) -> Generator[Counts, None, None]:
    """In this process. The next unit is featurized while one is predicted."""
    worker = Worker(job)
    with ThreadPoolExecutor(1) as pool:
        ahead: deque[Future[Prepared]] = deque()
        for unit in all_units(groups):
            ahead.append(pool.submit(worker.prepare, unit))
            if len(ahead) == AHEAD:
                yield worker.finish(ahead.popleft().result())
        for each in ahead:
            yield worker.finish(each.result())


def processes(groups: Sequence[Group], job: Job, number: int, devices: int = 0) -> Generator[Counts, None, None]:
    """In `number` new processes, of which each has one of the first `devices` GPUs in turn (0: what torch has).

    A process that is killed is replaced, and its units are done again. Raises DocreError if that happens DEATHS times
    with no unit done between them.
    """
    remaining, again = all_units(groups), deque[Unit]()
    children = [Child(job, f"cuda:{i % devices}" if devices else None) for i in range(number)]
    deaths = 0
    try:
        while True:
            for child in children:
                while len(child.doing) < AHEAD:
                    unit = again.popleft() if again else next(remaining, None)
                    if unit is None:
                        break
                    child.give(unit)
            busy = {child.connection: child for child in children if child.doing}
            if not busy:
                return
            for connection in wait(list(busy)):
                child = busy[connection]  # type: ignore[index]  # all are Connections
                counts = child.take()
                if counts is not None:
                    deaths = 0
                    yield counts
                    continue
                again += child.doing
                deaths += 1
                if deaths == DEATHS:
                    names = ", ".join(unit.name for unit in child.doing)
                    raise DocreError(f"{DEATHS} processes in a row were killed (out of memory?), at units {names}")
                children[children.index(child)] = Child(job, child.device)
    finally:
        for child in children:
            child.end()
