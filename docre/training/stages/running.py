"""Runs stages one after another: finished ones are left out, interrupted ones resume, stale ones are refused."""

from collections.abc import Iterator, Sequence

from docre.core.cli import is_main_process
from docre.errors import DocreError
from docre.training.stages.base import Stage, Standing


def standings(stages: Sequence[Stage]) -> dict[str, Standing]:
    """How far each stage is, by name. What was made from a stage that has to run yet is stale."""
    found: dict[str, Standing] = {}
    for stage in stages:
        found[stage.name] = stage.standing()
        for other in stage.takes:
            state = found[other.name].state
            if state != "finished" and found[stage.name].state in ("interrupted", "finished"):
                found[stage.name] = Standing("stale", f"it takes from {other.name}, which is {state}")
    return found


def run_stages(stages: Sequence[Stage], remedy: str, update: bool = False) -> Iterator[Stage]:
    """Run the stages that are not finished, in order; yield each stage when it is finished.

    stages: each after those that it takes from. All are checked before the first runs.
    remedy: what to do about stale stages, for the message.
    update: run stale stages again, and remove what their folders hold.
    Raises DocreError, before anything runs, if a stage is stale, unless `update`.
    """
    for stage in stages:
        stage.check()
    refuse_stale({} if update else standings(stages), remedy)
    for number, stage in enumerate(stages, start=1):
        standing = stage.standing()  # anew: what it takes from others is there now
        refuse_stale({} if update else {stage.name: standing}, remedy)
        finished = standing.state == "finished"
        if is_main_process():
            done = " is finished already" if finished else ""
            print(f"run {number}/{len(stages)}: {stage.name}{done}", flush=True)
        if not finished:
            stage.run(restart=standing.state == "stale")
        yield stage


def refuse_stale(found: dict[str, Standing], remedy: str) -> None:
    """Raises DocreError that names the stages which are stale, and why."""
    stale = [f"{name} ({standing.reason})" for name, standing in found.items() if standing.state == "stale"]
    if stale:
        raise DocreError(f"stale: {', '.join(stale)}; {remedy}")
