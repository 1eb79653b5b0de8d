"""The folder of a run: what an earlier start of the same command left there, and whether this one may go on from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docre.config.loading import parse_yaml, read_config, to_yaml
from docre.config.schema import Config
from docre.core.files import read_json, write_text
from docre.core.manifests import digest, remove, remove_leftovers
from docre.errors import DocreError
from docre.training.state import load_values, newest_state, states

# What may change between two starts: it does not touch what has been computed so far ...
FREE = {
    "output",
    "training.workers",
    "training.save_every",
    "training.on_nan",
    "logging.every",
    "logging.trackers",
    "logging.wandb",
}
# ... and what changes no more than the rounding, and which dropout falls where: the answer to running out of memory.
ROUNDING = {f"{section}.max_{what}_per_batch" for section in ("training", "evaluation") for what in ("pairs", "tokens")}
RESULTS = ("metrics.json", "result.json", "result.zip", "log.jsonl", "best")
RESTART = "--restart begins anew and removes what is there; output=... leaves it alone"


@dataclass(frozen=True)
class ExistingRun:
    """What is in the folder of a run: its metrics if it is finished, else its newest saved state, if there is one."""

    metrics: dict[str, Any] | None = None
    state: Path | None = None


def examine(output: Path, config: Config, setting: Mapping[str, Any], warn: Callable[[str], None]) -> ExistingRun:
    """What there is to go on from. Nothing is written.

    setting: what the run depends on beside its config: digests of the data, device, processes (see `begin`).
    Raises DocreError where the folder holds another run, naming what is different.
    """
    if not (output / "config.yaml").is_file():
        return ExistingRun()
    compare_configs(output, config, warn)
    if (output / "metrics.json").is_file():
        metrics = read_json(output / "metrics.json")
        if not isinstance(metrics, dict):
            raise DocreError(f"{output / 'metrics.json'}: expected an object")
        compare_settings(output, metrics.get("data", {}), setting["data"])
        return ExistingRun(metrics=metrics)
    state = newest_state(output, warn)
    if state is not None:
        saved = load_values(state)["setting"]
        compare_settings(output, saved["data"], setting["data"])
        compare_settings(output, saved["machine"], setting["machine"])
        for name, version in setting["versions"].items():
            if saved["versions"].get(name) != version:
                warn(f"the run began with {name} {saved['versions'].get(name)} and goes on with {version}")
    return ExistingRun(state=state)


def compare_configs(output: Path, config: Config, warn: Callable[[str], None]) -> None:
    """Raises DocreError where the run in the folder has another config."""
    path = output / "config.yaml"
    before = flat(read_config(path).model_dump())
    now = flat(parse_yaml(to_yaml(config), str(path)))
    for key in [*now, *(key for key in before if key not in now)]:
        if key in FREE or before.get(key) == now.get(key):
            continue
        change = f"{key} was {before.get(key)!r}, now it is {now.get(key)!r}"
        if key not in ROUNDING:
            raise DocreError(f"{output} holds a run with another config: {change}. {RESTART}")
        warn(f"{change}: the result is that of neither to the last bit")


def compare_settings(output: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises DocreError where the run in the folder began with something else."""
    for name, value in now.items():
        if name in before and before[name] != value:
            raise DocreError(f"{output} holds a run with another {name}: {before[name]}, now {value}. {RESTART}")


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one of dotted keys."""
    if not isinstance(values, dict):
        return {prefix: values}
    start = f"{prefix}." if prefix else ""
    return {key: value for name, inner in values.items() for key, value in flat(inner, f"{start}{name}").items()}


def begin(output: Path, config: Config, found: ExistingRun) -> None:
    """Make the folder ready. What killed runs left goes, and every result, unless the run goes on from a state."""
    try:
        remove_leftovers(output)
        if found.state is None:
            for path in (*(output / name for name in RESULTS), *states(output)):
                remove(path)
    except OSError as error:
        raise DocreError(f"{output}: cannot write: {error.strerror or error}") from None
    write_text(output / "config.yaml", to_yaml(config))


def removed(path: Path) -> DocreError:
    """What is wrong where something of a run's folder has gone before the run has ended."""
    return DocreError(f"{path}: removed or replaced while the run was writing there")


def remove_states(output: Path) -> None:
    """Remove the saved states of a run that is finished, and what was left when one was killed on the way."""
    remove_leftovers(output)
    for path in states(output):
        remove(path)


def digests(config: Config) -> dict[str, str]:
    """The SHA-256 of each file of the data."""
    data = config.data
    paths = {"train": data.train, "dev": data.dev, "test": data.test, "relations": data.relations}
    return {
        f"data.{name} file": digest(Path(path))[:16] for name, path in paths.items() if path and Path(path).is_file()
    }
