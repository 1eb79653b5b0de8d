"""Which finished runs are of one model: those whose configs differ only in the seed and in what changes no numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from docre.config.schema import Config
from docre.errors import DocreError
from docre.training.folder import MAY_CHANGE, flatten

IGNORED = ("output", "seed", "logging", "plugins")  # sections and keys that may differ between the runs of one model


def model_names(configs: Sequence[Config], labels: Sequence[str] | None = None) -> list[str]:
    """The name of the model of each run: its label, or else the values in which the models differ. A label may be
    empty."""
    values = [values_of(config) for config in configs]
    keys = dict.fromkeys(key for each in values for key in each)
    differing = [key for key in keys if len({each.get(key) for each in values}) > 1]
    names = []
    for label, each in zip(labels or [""] * len(configs), values, strict=True):
        parts = [each[k] if k.endswith(".name") else f"{k}={each[k]}" for k in differing if k in each]
        names.append(label or " ".join(parts) or "all runs")
    return names


def check_seeds(names: Sequence[str], folders: Sequence[Path], configs: Sequence[Config]) -> None:
    """Raises DocreError if two runs of a model are the same run: with one config and one seed they give the same
    predictions, and would count as two."""
    first: dict[tuple[object, ...], Path] = {}
    for name, folder, config in zip(names, folders, configs, strict=True):
        earlier = first.setdefault((name, config.seed, *values_of(config).items()), folder)
        if earlier != folder:
            raise DocreError(f"{folder}: has the config and the seed ({config.seed}) of {earlier}; give one of them")


def values_of(config: Config) -> Mapping[str, str]:
    """What tells models apart: the values of a config without those of IGNORED and MAY_CHANGE, by dotted key."""
    values = flatten(config.model_dump())
    return {k: str(value) for k, value in values.items() if k.split(".")[0] not in IGNORED and k not in MAY_CHANGE}
