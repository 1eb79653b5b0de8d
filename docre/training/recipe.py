"""Recipes: YAML files that name the stages of a training, each of which may take something from earlier ones.

    output: runs/mine                # stage NAME works in the folder runs/mine/NAME
    config: ../redocred_bert_atl.yaml  # what the configs of the stages have in common: a file, or the keys themselves
    stages:
      - name: teacher
        set: {training.epochs: 30}   # keys of the config
      - name: student
        set: {training.initial_weights: "${teacher}"}   # the folder of an earlier stage

A stage that has the name of another kind of stage (docre/training/stages/) as a key is of that kind; all other stages
train a model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docre.config.loading import merge, parse_mapping, parse_overrides, read_yaml
from docre.config.shipped import find_config
from docre.core.files import read_text
from docre.errors import DocreError, prefixed
from docre.training.stages import STAGES, Place, Stage

REFERENCE = re.compile(r"\$\{([^{}]*)\}")
NAME = re.compile(r"\w[\w+-]*")
KEYS = ("output", "config", "stages")


@dataclass(frozen=True)
class Recipe:
    """The stages of a recipe, each after those that it takes from, and the folder of their folders."""

    output: Path
    stages: Sequence[Stage]

    def up_to(self, name: str | None) -> Sequence[Stage]:
        """The stage of this name and all that it takes from, directly or not; all stages for None. Raises DocreError if
        there is no such stage."""
        if name is None:
            return self.stages
        by_name = {stage.name: stage for stage in self.stages}
        if name not in by_name:
            raise DocreError(f"no stage {name!r}: expected one of {', '.join(by_name)}")
        needed = [by_name[name]]
        for stage in needed:  # grows meanwhile
            needed += [other for other in stage.takes if other not in needed]
        return [stage for stage in self.stages if stage in needed]


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file, or the one that comes with docre under this name. Nothing is run or written.

    overrides: "key=value" changes: of `output`, the folder of the stages' folders, and of the config of every stage.
    Raises DocreError that names the file, the stage and the key for any mistake.
    """
    path = find_config(path)
    values = parse_mapping(read_text(path), str(path))
    if "stages" not in values and "data" in values:
        raise DocreError(f"{path}: this is a config, not a recipe; it is run with docre train")
    for key in values:
        if key not in KEYS:
            raise DocreError(f"{path}: unknown key {key!r} (valid: {', '.join(KEYS)})")
    changes = parse_overrides(overrides)
    output = changes.pop("output", values.get("output"))
    if not isinstance(output, str) or not output:
        raise DocreError(f"{path}: output: expected a folder, got {output!r}")
    entries = values.get("stages")
    if not isinstance(entries, list) or not entries:
        raise DocreError(f"{path}: stages: expected a list of stages, got {entries!r}")
    config = read_common(values.get("config"), path)
    names = [stage_name(entry, f"{path}: stage {i}") for i, entry in enumerate(entries, start=1)]
    stages: dict[str, Stage] = {}
    for name, entry in zip(names, entries, strict=True):
        where = f"{path}: stage {name!r}"
        if name in stages:
            raise DocreError(f"{where}: another stage has this name")
        used = references(entry)
        check_references(used, name, names, list(stages), where)
        takes = [stages[other] for other in dict.fromkeys(used)]
        rest = {key: resolve(value, stages) for key, value in entry.items() if key != "name"}
        place = Place(name, Path(output, name), takes, config, changes)
        kind = next((key for key in rest if key in STAGES), "train")
        with prefixed(where):
            stages[name] = STAGES.build(kind, rest, place)
    return Recipe(Path(output), list(stages.values()))


def read_common(config: Any, path: Path) -> dict[str, Any]:
    """What the configs of all stages have in common: the content of a file, or the keys themselves."""
    if isinstance(config, str):
        return read_yaml(path.parent / config)
    if not isinstance(config, dict):
        raise DocreError(f"{path}: config: expected the name of a config file, or its keys, got {config!r}")
    base = config.get("extends")
    rest = {key: value for key, value in config.items() if key != "extends"}
    return rest if base is None else merge(read_common(base, path), rest)


def stage_name(entry: Any, where: str) -> str:
    """The name of a stage. Raises DocreError if it has none that a folder can have."""
    if not isinstance(entry, dict) or not all(isinstance(key, str) for key in entry):
        raise DocreError(f"{where}: expected a mapping of keys to values, got {entry!r}")
    name = entry.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise DocreError(f"{where}: name: expected letters, digits, _, + and -, got {name!r}")
    return name


def references(value: Any) -> list[str]:
    """The names in all ${name} in a value, at any depth."""
    if isinstance(value, str):
        return REFERENCE.findall(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for part in inner for name in references(part)]


def check_references(used: Sequence[str], name: str, names: Sequence[str], earlier: Sequence[str], where: str) -> None:
    """Raises DocreError unless a stage refers to earlier stages only, so that none waits for itself."""
    for other in used:
        if other == name:
            raise DocreError(f"{where}: ${{{other}}} is the stage itself")
        if other in names and other not in earlier:
            raise DocreError(f"{where}: ${{{other}}} is a later stage: a stage takes from earlier ones only")
        if other not in names:
            raise DocreError(f"{where}: ${{{other}}} is no stage: expected one of {', '.join(earlier) or 'none'}")


def resolve(value: Any, stages: Mapping[str, Stage]) -> Any:
    """A copy of a value in which each ${name} is the folder of that stage."""
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: str(stages[match[1]].folder), value)
    if isinstance(value, dict):
        return {key: resolve(inner, stages) for key, inner in value.items()}
    return [resolve(inner, stages) for inner in value] if isinstance(value, list) else value
