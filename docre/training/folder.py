"""The folder of a run: what an earlier start of the same command left there, and whether this start may resume it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docre.config.loading import parse_yaml, read_config, to_yaml
from docre.config.schema import Config
from docre.core.files import read_json, write_text
from docre.core.manifests import digest, remove, remove_leftovers
from docre.errors import DocreError
from docre.training.state import load_values, newest_state, saved_states

# Keys that may differ between two starts of a run, since they do not affect its numbers ...
MAY_CHANGE = {"output", "data.stream", "training.workers", "training.save_every", "training.on_nan"}
MAY_CHANGE |= {f"logging.{key}" for key in ("every", "trackers", "wandb")}
# ... and keys that affect only rounding and which elements dropout hits: they have to be changed when memory runs out.
ROUNDING_ONLY = {
    f"{section}.max_{unit}_per_batch" for section in ("training", "evaluation") for unit in ("pairs", "tokens")
}
RESULTS = ("metrics.json", "result.json", "result.zip", "log.jsonl", "best")
RESTART = "--restart removes it and starts over; output=... trains in another folder"


@dataclass(frozen=True)
class ExistingRun:
    """An earlier run in the folder: its metrics if it is finished, else its newest saved state, if there is one."""

    metrics: dict[str, Any] | None = None
    state: Path | None = None


def find_existing_run(
    output: Path, config: Config, setting: Mapping[str, Any], warn: Callable[[str], None]
) -> ExistingRun:
    """The run in the folder that this start can return or resume. Writes nothing.

    setting: what a run depends on besides its config: `data` (digests of the files), `machine` (device, precision,
             number of processes) and `versions` (of packages), each a mapping.
    Raises DocreError if the folder holds a different run, naming the difference.
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
                warn(f"the run was started with {name} {saved['versions'].get(name)} and is resumed with {version}")
    return ExistingRun(state=state)


def compare_configs(output: Path, config: Config, warn: Callable[[str], None]) -> None:
    """Raises DocreError if the run in the folder has another config; warns of a change that affects only rounding."""
    path = output / "config.yaml"
    before = flatten(read_config(path).model_dump())
    now = flatten(parse_yaml(to_yaml(config), str(path)))
    for key in [*now, *(key for key in before if key not in now)]:
        if key in MAY_CHANGE or before.get(key) == now.get(key):
            continue
        change = f"{key} was {before.get(key)!r}, now it is {now.get(key)!r}"
        if key not in ROUNDING_ONLY:
            raise DocreError(f"{output} holds a run with another config: {change}. {RESTART}")
        warn(f"{change}: the result may differ slightly from that of a run with either value throughout")


def compare_settings(output: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises DocreError if a setting of the run in the folder has another value now."""
    for name, value in now.items():
        if name in before and before[name] != value:
            raise DocreError(f"{output} holds a run with another {name}: {before[name]}, now {value}. {RESTART}")


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    if not isinstance(values, dict):
        return {prefix: values}
    start = f"{prefix}." if prefix else ""
    return {key: value for name, inner in values.items() for key, value in flatten(inner, f"{start}{name}").items()}


def prepare_folder(output: Path, config: Config, existing: ExistingRun) -> None:
    """Prepare the folder for training: remove what killed runs left and, unless the run is resumed from a saved state,
    all earlier results and states; then write config.yaml. Raises DocreError if the folder cannot be written."""
    try:
        remove_leftovers(output)
        if existing.state is None:
            for path in (*(output / name for name in RESULTS), *saved_states(output)):
                remove(path)
    except OSError as error:
        raise DocreError(f"{output}: cannot write: {error.strerror or error}") from None
    write_text(output / "config.yaml", to_yaml(config))


def removed(path: Path) -> DocreError:
    """The error for a file or folder of a run that has disappeared before the run has ended."""
    return DocreError(f"{path}: removed or replaced while the run was writing there")


def remove_states(output: Path) -> None:
    """Remove the saved states of a finished run, and what a killed one left half-written."""
    remove_leftovers(output)
    for path in saved_states(output):
        remove(path)


def digests(config: Config) -> dict[str, str]:
    """The first 16 hexadecimal digits of the SHA-256 of each data file that the config names, by `data.<key> file`."""
    data = config.data
    paths = {"train": data.train, "dev": data.dev, "test": data.test, "relations": data.relations}
    return {
        f"data.{name} file": digest(Path(path))[:16] for name, path in paths.items() if path and Path(path).is_file()
    }
