"""Reading configs: YAML files that may extend others, `key=value` overrides, and errors that name the key."""

import difflib
import importlib
import re
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from docre.config.schema import Component, Config
from docre.core.files import read_text
from docre.errors import DocreError

HALF_CHARACTER = re.compile("[\\ud800-\\udfff]")
REPLACED = ("model", "loss")  # sections whose parameters go when their name changes
# what of a checkpoint may be changed: keys that leave the trained model what it is
CHANGEABLE = ("evaluation.", "training.precision", "data.max_tokens", "encoder.implementation")
LARGEST = 10_000  # values in a config, aliases written out
LONGEST = 2**18  # characters of a config: YAML takes a hundred times as much memory as its text


class Loader(yaml.SafeLoader):
    """Safe YAML in which 5e-5 is a number, a key given twice is an error, aliases do not grow without limit, and texts
    can be written and be file names."""

    def get_single_node(self) -> yaml.Node | None:
        root = super().get_single_node()
        if root is not None and expanded_size(root) > LARGEST:
            raise yaml.constructor.ConstructorError(
                None, None, f"more than {LARGEST} values, aliases written out", root.start_mark
            )
        return root

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if isinstance(node, yaml.ScalarNode) and ("\0" in node.value or HALF_CHARACTER.search(node.value)):
            raise yaml.constructor.ConstructorError(None, None, "a character that no text may have", node.start_mark)
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def expanded_size(node: yaml.Node) -> float:
    """How many values a YAML node has with its aliases written out; infinity if it contains itself."""
    sizes: dict[int, float] = {}

    def size(node: yaml.Node) -> float:
        if id(node) not in sizes:
            sizes[id(node)] = float("inf")  # what it is while it is looked at: met again, it is inside itself
            inner = node.value if isinstance(node, yaml.CollectionNode) else []
            children = [child for pair in inner for child in pair] if isinstance(node, yaml.MappingNode) else inner
            sizes[id(node)] = 1 + sum(map(size, children))
        return sizes[id(node)]

    return size(node)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The config in a YAML file, with `key=value` overrides ("loss.alpha=6").

    `extends: FILE` in it (relative to the file) takes that config and changes it. The plugins that it names are
    imported: a config that somebody gives by name is their own word, which one that comes with a checkpoint is not.
    Raises DocreError, naming the file and the key, for anything that is not valid.
    """
    config = read_config(path, overrides)
    import_plugins(config.plugins, f"{path}: plugins")
    return config


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """`load_config` without importing the plugins: for the config of a run or a checkpoint, whoever it is from."""
    return validate(override(read_yaml(path), overrides), str(path))


def import_plugins(names: Sequence[str], where: str) -> None:
    """Import Python modules, which register losses, models or readers. Raises DocreError that begins with `where`."""
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise DocreError(f"{where}: expected the name of a Python module, got {name!r}")
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise DocreError(f"{where}: cannot import {name!r}: {error}") from None


def override(values: dict[str, Any], overrides: Sequence[str], allowed: tuple[str, ...] = ("",)) -> dict[str, Any]:
    """The values with `key=value` overrides. Raises DocreError for one that is none, or whose key begins with nothing
    that is allowed."""
    for text in overrides:
        if "=" not in text:
            raise DocreError(f"expected key=value (as loss.alpha=6), got {text!r}")
        if not text.startswith(allowed):
            key = text.partition("=")[0]
            raise DocreError(f"{key}: part of what was trained; of a checkpoint only {', '.join(allowed)} may change")
    return merge(values, collect(overrides))


def validate(values: dict[str, Any], where: str) -> Config:
    """A Config of plain values; `where` begins the message of the DocreError for what is not valid."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise DocreError(f"{where}: {explain(error)}") from None


def read_yaml(path: str | Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The mapping in a YAML file, over the one that it extends."""
    path = Path(path)
    text = read_text(path)
    if path.resolve() in seen:
        raise DocreError(f"{path}: extends itself")
    values = parse_mapping(text, str(path))
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise DocreError(f"{path}: extends: expected the name of a file, got {base!r}")
    return merge(read_yaml(path.parent / base, (*seen, path.resolve())), values)


def parse_mapping(text: str, where: str) -> dict[str, Any]:
    """The mapping of a YAML text. Raises DocreError that begins with `where` for anything else."""
    values = parse_yaml(text, where)
    if not isinstance(values, dict):
        raise DocreError(f"{where}: expected keys and values, as in configs/quickstart.yaml")
    return values


def parse_yaml(text: str, where: str) -> Any:
    """The value of a YAML text. Raises DocreError that begins with `where` and names the line."""
    if len(text) > LONGEST:
        raise DocreError(f"{where}: {len(text):,} characters are too many for a config")
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise DocreError(f"{where}: {line}not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocreError(f"{where}: not valid YAML: {error}") from None


def collect(overrides: Sequence[str]) -> dict[str, Any]:
    """["loss.alpha=6", ...] as nested mappings."""
    values: dict[str, Any] = {}
    for override in overrides:
        key, _, text = override.partition("=")
        section = values
        *parents, last = key.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise DocreError(f"{key}: {parent!r} is given as a value and as a section")
        section[last] = parse_yaml(text, key)
    return values


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, section by section. Another model's or loss's name takes the old one's parameters away."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            renamed = key in REPLACED and value.get("name", old.get("name")) != old.get("name")
            merged[key] = value if renamed else merge(old, value)
        else:
            merged[key] = value
    return merged


def explain(error: ValidationError) -> str:
    """The first of pydantic's errors as one line that names the key."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        section: Any = Config
        for part in path[:-1]:
            section = section.model_fields[part].annotation
        valid = list(section.model_fields)
        close = difflib.get_close_matches(path[-1], valid, 1)
        hint = f"did you mean {close[0]!r}? valid" if close else "valid"
        return f"unknown key {key!r} ({hint}: {', '.join(valid)})"
    if first["type"] == "missing":
        return f"the key {key!r} is missing"
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{key}: {message}, got {reprlib.repr(first['input'])}" if key else message


def describe(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Every key of the config: (dotted key, its default as text, what it means)."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Component:
            yield from describe(kind, f"{prefix}{name}.")
            continue
        default = "required" if field.is_required() else field.default
        if isinstance(default, Component):
            default = default.name
        text = " ".join((field.description or "").split())
        yield f"{prefix}{name}" + (".name" if kind is Component else ""), str(default), text


def to_yaml(config: Config) -> str:
    """The config as YAML that `load_config` reads back to the same."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)
