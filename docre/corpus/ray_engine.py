"""The engine that does units on a Ray cluster, with Ray Data.

Its steps are to cut files into units and to do them; where there are GPUs, other CPUs featurize the documents
meanwhile. What a step does is what the other engines do (docre.corpus.worker). Ray starts what was killed again, and a
unit that is done twice is written twice with the same content.
"""

import logging
import os
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from docre.corpus.precision import resolve_here
from docre.corpus.shards import Counts
from docre.corpus.units import Group, Unit
from docre.corpus.worker import Job, Worker
from docre.errors import DocreError, first_line

Rows = dict[str, Any]


def on_ray(
    groups: Sequence[Group], job: Job, workers: int | None = None, apart: bool | None = None
) -> Generator[Counts, None, None]:
    """Do the units of all groups on the cluster at RAY_ADDRESS, or on one that is started on this machine.

    workers: how many; by default one for each GPU, or else each CPU, of the cluster. docre has to be installed on every
             machine, and the checkpoint, the input and the output have to be at places that all can reach.
    apart:   whether others featurize the documents; by default where there are GPUs.
    """
    ray, gpus, cpus = cluster()
    from ray.data import DataContext
    from ray.exceptions import RayError

    number = workers or gpus or cpus
    apart = gpus > 0 if apart is None else apart
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = 1  # bytes, so that each unit is a block of its own, and goes to any actor
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    data = ray.data.from_items([{"group": i} for i in range(len(groups))], override_num_blocks=max(1, len(groups)))
    data = data.map_batches(Cut(groups), batch_size=1, num_cpus=0.01)
    share = {"num_gpus": 1} if gpus else {"num_cpus": 0.9 * cpus / number / (1 + apart)}
    classes, pool = steps(job), ray.data.ActorPoolStrategy
    if apart:
        workers_ahead = {"compute": pool(size=2 * number), "num_cpus": 0.45 * cpus / number / 2}
        data = data.map_batches(classes["featurize"], batch_size=1, **workers_ahead)
    done = data.map_batches(classes["finish" if apart else "do"], batch_size=1, compute=pool(size=number), **share)
    try:
        for row in done.iter_rows():
            yield Counts(*(int(value) for value in row["counts"]))
    except RayError as error:
        raise DocreError(f"Ray: {reason(error)}") from None


def reason(error: Exception) -> str:
    """Why a worker failed, in one line. Ray puts what it raised into the text of errors of its own, as a traceback."""
    told = re.findall(r"^docre\.errors\.\w+: (.+)$", str(error), re.MULTILINE)
    return told[0] if told else first_line(getattr(error, "cause", None) or error)


def resolve_on_ray(setting: str, ahead: bool = False) -> str:
    """The precision of a setting where workers are: on a GPU of the cluster if it has any, whatever this machine has.
    `ahead`: where documents are featurized, which is on CPUs."""
    ray, gpus, _ = cluster()
    from ray.exceptions import RayError

    share = {"num_gpus": 1, "num_cpus": 0} if gpus and not ahead else {"num_cpus": 0.01}
    try:
        found: str = ray.get(ray.remote(resolve_here).options(**share).remote(setting))
    except RayError as error:
        raise DocreError(f"Ray: {reason(error)}") from None
    return found


def cluster() -> tuple[Any, int, int]:
    """Ray, connected to the cluster at RAY_ADDRESS or to one that is started on this machine; its GPUs and CPUs."""
    try:
        import ray
        import ray.data
        from ray.exceptions import RayError
    except ImportError:
        raise DocreError("--engine ray needs Ray: pip install 'docre[scale]'") from None
    if not ray.is_initialized():
        try:
            ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, logging_level="error")
        except (ConnectionError, RayError, RuntimeError) as error:
            raise DocreError(f"RAY_ADDRESS: {first_line(error)}") from None
    resources = ray.cluster_resources()
    return ray, int(resources.get("GPU", 0)), int(resources.get("CPU", 1))


class Cut:
    """Cuts groups of files into units."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = groups

    def __call__(self, rows: Rows) -> Iterator[Rows]:
        for group in rows["group"]:
            for unit in self.groups[int(group)]():
                yield {"unit": np.array([unit.to_bytes()], dtype=object)}


def steps(job: Job) -> dict[str, type]:
    """The classes whose objects do what is to be done, on actors. They have the job with them, since what is given to
    the constructor of an actor may be lost with a machine."""

    class Do:
        """Does units."""

        def __init__(self) -> None:
            self.worker = Worker(job)

        def __call__(self, rows: Rows) -> Rows:
            (unit,) = rows["unit"]
            return {"counts": np.array([astuple(self.worker(Unit.from_bytes(unit)))])}

    class Featurize:
        """Prepares units, on a CPU."""

        def __init__(self) -> None:
            self.worker = Worker(job, "cpu")

        def __call__(self, rows: Rows) -> Rows:
            (unit,) = rows["unit"]
            made = np.empty(1, dtype=object)
            made[0] = self.worker.prepare(Unit.from_bytes(unit))
            return {"prepared": made}

    class Finish:
        """Predicts and writes units that are prepared."""

        def __init__(self) -> None:
            self.worker = Worker(job)

        def __call__(self, rows: Rows) -> Rows:
            (made,) = rows["prepared"]
            return {"counts": np.array([astuple(self.worker.finish(made))])}

    return {"do": Do, "featurize": Featurize, "finish": Finish}
