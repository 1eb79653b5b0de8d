"""The folder of a run: what an earlier start of the same command left there, and whether this start may resume it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docre.config.loading import parse_yaml, read_yaml, to_yaml, validate_as
from docre.config.schema import Config
from docre.core.files import read_json, write_text
from docre.core.location import recorded_digest
from docre.core.manifests import MANIFEST, digest_of_version, remove, remove_leftovers
from docre.errors import DocreError
from docre.training.saved import load_values, newest_state, saved_states

# Keys that may differ between two starts of a run, since they do not affect its numbers ...
MAY_CHANGE = {"output", "data.stream", "training.workers", "training.save_every", "training.on_nan"}
MAY_CHANGE |= {f"logging.{key}" for key in ("every", "trackers", "wandb")}
# ... and keys that affect only rounding, which elements dropout hits, and which pairs are compared by the losses that
# compare pairs: they have to be changed when memory runs out.
ROUNDING_ONLY = {
    f"{section}.max_{unit}_per_batch" for section in ("training", "evaluation") for unit in ("pairs", "tokens")
}
RESULTS = ("metrics.json", "result.json", "result.zip", "log.jsonl", "best")
RESTART = "--restart removes it and starts over; output=... trains in another folder"


@dataclass(frozen=True)
class ExistingRun:
    """What an earlier start of a run left in its folder, compared with the run that is asked for now.

    metrics:    those of a run that is finished.
    state:      the newest saved state of one that is not; None if it saved none.
    difference: what makes it another run, as "another config: seed was 1, now it is 2"; empty if it is the same run.
    """

    metrics: dict[str, Any] | None = None
    state: Path | None = None
    difference: str = ""


def find_existing_run(
    output: Path,
    config: Any,
    setting: Mapping[str, Any],
    warn: Callable[[str], None] = lambda message: None,
    with_counted_parameters: bool = True,
) -> ExistingRun:
    """The run in a folder. Writes nothing; calls `warn` for what is questionable but makes no other run.

    setting: what a run depends on besides its config, each a mapping: `data` (see `input_digests`), `machine` (device,
             precision, number of processes) and `versions` (of packages). What is left out is not compared.
    with_counted_parameters: whether the config has the loss parameters that are counted from the training data, as it
             has once they are read; if not, those of the run are not compared.
    """
    if not (output / "config.yaml").is_file():
        return ExistingRun()
    metrics, state = None, None
    recorded: dict[str, Any] = {}
    try:
        if (output / "metrics.json").is_file():
            metrics = read_json(output / "metrics.json")
            if not isinstance(metrics, dict):
                raise DocreError(f"{output / 'metrics.json'}: expected an object")
            recorded = {key: metrics[key] for key in ("data", "counted_loss_parameters") if key in metrics}
        elif state := newest_state(output, warn):
            recorded = load_values(state)["setting"]
        difference = next(
            differences(output / "config.yaml", recorded, config, setting, warn, with_counted_parameters), ""
        )
    except DocreError as error:
        return ExistingRun(difference=f"files that this version of docre cannot read ({error})")
    if state is not None and not difference:
        for name, version in setting.get("versions", {}).items():
            if recorded["versions"].get(name) != version:
                warn(f"the run was started with {name} {recorded['versions'].get(name)} and is resumed with {version}")
    return ExistingRun(metrics, state, difference)


def differences(
    path: Path,
    recorded: Mapping[str, Any],
    config: Any,
    setting: Mapping[str, Any],
    warn: Callable[[str], None],
    with_counted_parameters: bool,
) -> Iterator[str]:
    """What makes a run with the config in the file `path` and the `recorded` setting another run than that of `config`
    and `setting`. Calls `warn` for a change that affects only rounding."""
    before = flatten(validate_as(type(config), read_yaml(path), str(path)).model_dump())
    now = flatten(parse_yaml(to_yaml(config), str(path)))
    if not with_counted_parameters:
        known = recorded.get("counted_loss_parameters")  # None: an earlier version of docre did not record them
        left_out = {key for key in before.keys() - now.keys() if key.startswith("loss.")}
        now |= {key: before[key] for key in left_out if known is None or key.removeprefix("loss.") in known}
    precision = recorded.get("machine", {}).get("precision")
    for key in [*now, *(key for key in before if key not in now)]:
        if key in MAY_CHANGE or before.get(key) == now.get(key):
            continue
        if key == "training.precision" and (before[key], now[key]) == ("auto", precision):
            continue  # what auto was then is asked for by name
        change = f"{key} was {before.get(key)!r}, now it is {now.get(key)!r}"
        if key not in ROUNDING_ONLY:
            yield f"another config: {change}"
        else:
            warn(f"{change}: the result may differ slightly from that of a run with either value throughout")
    for part in ("data", "machine"):
        earlier = recorded.get(part, {})
        for name, value in setting.get(part, {}).items():
            if name in earlier and earlier[name] != value:
                hint = f" (training.precision={precision} goes on with it)" if name == "precision" else ""
                yield f"another {name}: {earlier[name]}, now {value}{hint}"


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    if not isinstance(values, dict):
        return {prefix: values}
    start = f"{prefix}." if prefix else ""
    return {key: value for name, inner in values.items() for key, value in flatten(inner, f"{start}{name}").items()}


def prepare_folder(output: Path, config: Any, existing: ExistingRun) -> None:
    """Prepare the folder for training: remove what killed runs left and, unless the run is resumed from a saved state,
    all earlier results and states; then write config.yaml. Raises DocreError if the folder cannot be written."""
    try:
        remove_leftovers(output)
        if existing.state is None:
            for path in (*saved_states(output), *(output / name for name in RESULTS)):  # a state needs its log and best
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


def digests(config: Any) -> dict[str, str]:
    """The first 16 hexadecimal digits of the SHA-256 of each data file that the config names, by `data.<key> file`."""
    data = config.data
    paths = {
        "train": data.train,
        "dev": data.dev,
        "test": data.test,
        "relations": data.relations,
        "counts_from": data.counts_from,
        "tagged": data.tagged,
    }
    return {f"data.{name} file": short_digest(path) for name, path in paths.items() if path and Path(path).is_file()}


def short_digest(path: str | Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file."""
    return digest_of_version(Path(path))[:16]


def input_digests(config: Config) -> dict[str, str]:
    """What a run reads, by the name of the input: the digests of its data files, and of what it takes from other runs
    (initial weights, targets, a generator). What does not exist is left out."""
    found = digests(config)
    if config.training.initial_weights and (weights := recorded_digest(config.training.initial_weights)):
        found["training.initial_weights"] = weights[:16]
    if config.data.targets and (manifest := Path(config.data.targets, MANIFEST)).is_file():
        found["data.targets"] = short_digest(manifest)
    run = config.tagger.parameters.get("run") if config.tagger else None
    if isinstance(run, str) and (weights := recorded_digest(run)):
        found["tagger.run"] = weights[:16]
    generator = config.model.parameters.get("generator")
    if isinstance(generator, str) and (manifest := Path(generator, "generator", MANIFEST)).is_file():
        found["model.generator"] = short_digest(manifest)
    return found
