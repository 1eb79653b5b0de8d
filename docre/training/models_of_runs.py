"""Which finished runs are of one model: those whose configs differ only in the seed and in what changes no numbers."""

from collections.abc import Mapping, Sequence

from docre.config.schema import Config
from docre.training.folder import flatten

IGNORED = ("output", "seed", "logging", "plugins")  # keys by which runs of one model differ


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


def values_of(config: Config) -> Mapping[str, str]:
    """What tells models apart: the values of a config without those of IGNORED, by dotted key."""
    values = flatten(config.model_dump())
    return {key: str(value) for key, value in values.items() if key.split(".")[0] not in IGNORED}
