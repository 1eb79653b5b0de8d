"""Loads configs: YAML files that may extend others, with `key=value` overrides, and errors that name the key."""

import difflib
import importlib
import os
import re
import reprlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from docre.config.schema import Component, Config, Section
from docre.config.shipped import find_config
from docre.core.files import read_text
from docre.errors import DocreError

C = TypeVar("C", bound=BaseModel)

SURROGATE = re.compile("[\\ud800-\\udfff]")
COMPONENTS = ("model", "loss", "inference", "tagger")  # sections whose parameters are dropped when their name changes
# prefixes of the keys that may be overridden for a checkpoint, because they do not affect the trained model
CHANGEABLE = ("evaluation.", "inference.", "tagger.", "training.precision", "data.max_tokens", "encoder.implementation")
MAX_VALUES = 10_000  # in a config, with aliases expanded
MAX_DIGITS = 100  # of a number
MAX_CHARACTERS = 2**18  # in a config; parsing YAML takes a hundred times as much memory as its text


class Loader(yaml.SafeLoader):
    """A safe YAML loader that reads 5e-5 as a number, and refuses duplicate keys, more than MAX_VALUES values, and the
    null character and surrogates, which cannot be in a file name or in UTF-8."""

    def get_single_node(self) -> yaml.Node | None:
        root = super().get_single_node()
        if root is not None and expanded_size(root) > MAX_VALUES:
            raise yaml.constructor.ConstructorError(
                None, None, f"more than {MAX_VALUES} values, with aliases expanded", root.start_mark
            )
        return root

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        if isinstance(node, yaml.ScalarNode) and ("\0" in node.value or SURROGATE.search(node.value)):
            raise yaml.constructor.ConstructorError(None, None, "a null character or a surrogate", node.start_mark)
        return super().construct_scalar(node)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """A number. What YAML 1.1 takes for one to the base of 60, as 1:30, is a text."""
        value = self.construct_scalar(node)
        if ":" in value:
            return value
        if len(value) > MAX_DIGITS:
            problem = f"a number of {len(value):,} characters"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        whole = node.tag.endswith(":int")
        return self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


class Dumper(yaml.SafeDumper):
    """Writes what Loader reads: a text like "1e-4" in quotes."""


for tag in ("int", "float"):
    Loader.add_constructor(f"tag:yaml.org,2002:{tag}", Loader.construct_number)
for either in (Loader, Dumper):
    either.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
    )


def expanded_size(node: yaml.Node) -> float:
    """The number of values in a YAML node with its aliases expanded; infinity if it contains itself."""
    sizes: dict[int, float] = {}

    def size(node: yaml.Node) -> float:
        if id(node) not in sizes:
            sizes[id(node)] = float("inf")  # until it is known: a node that is met again before contains itself
            inner = node.value if isinstance(node, yaml.CollectionNode) else []
            children = [child for pair in inner for child in pair] if isinstance(node, yaml.MappingNode) else inner
            sizes[id(node)] = 1 + sum(map(size, children))
        return sizes[id(node)]

    return size(node)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The config in a YAML file, with `key=value` overrides applied ("loss.alpha=6"). `path` may also be the name of a
    config that comes with docre ("quickstart").

    `extends: FILE` in it (relative to the file's folder) names a config whose values it inherits. Its plugins are
    imported, since the user chose this config; for that of a checkpoint there is `read_saved_config`. Raises
    DocreError that names the file and the key if the config is not valid.
    """
    config = read_config(path, overrides)
    import_plugins(config.plugins, f"{path}: plugins")
    return config


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """`load_config` without importing the plugins."""
    return validate(apply_overrides(read_yaml(find_config(path)), overrides), str(path))


def read_saved_config(folder: Path, changes: Sequence[str] = ()) -> Config:
    """The config in the folder of a run or a checkpoint, which may be a stranger's: it extends no other file, and its
    plugins are not imported. `changes`: overrides of keys that are CHANGEABLE."""
    path = folder / "config.yaml"
    return validate(apply_overrides(parse_mapping(read_text(path), str(path)), changes, CHANGEABLE), str(path))


def import_plugins(names: Sequence[str], where: str) -> None:
    """Import Python modules that register losses, models or readers, also those in the current folder. Raises
    DocreError that begins with `where`."""
    if names and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise DocreError(f"{where}: expected the name of a Python module, got {name!r}")
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise DocreError(f"{where}: cannot import {name!r}: {error}") from None
        except SyntaxError as error:
            raise DocreError(f"{where}: {error.filename}, line {error.lineno}: {error.msg}") from None


def apply_overrides(
    values: dict[str, Any], overrides: Sequence[str], allowed: tuple[str, ...] = ("",)
) -> dict[str, Any]:
    """Plain config values with `key=value` overrides applied. Raises DocreError for an override without "=", and for
    one that begins with none of the `allowed` prefixes."""
    changes = parse_overrides(overrides)
    for text in overrides:
        if not text.startswith(allowed):
            key = text.partition("=")[0]
            raise DocreError(f"{key}: fixed by training; overrides of a checkpoint begin with {', '.join(allowed)}")
    return merge(values, changes)


def validate(values: dict[str, Any], where: str) -> Config:
    """The Config of plain values. Raises DocreError that begins with `where` for the first that is not valid."""
    return validate_as(Config, values, where)


def validate_as(kind: type[C], values: dict[str, Any], where: str) -> C:
    """`validate` for any kind of config, of which one has a `task`."""
    if "stages" in values:
        raise DocreError(f"{where}: this is a recipe, which is run with docre recipe")
    if ("task" in values) != ("task" in kind.model_fields):
        other = "an entity model" if "task" in values else "a relation model"
        raise DocreError(f"{where}: this is the config of {other}, which cannot be used here")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise DocreError(f"{where}: {first_problem(error, kind)}") from None


def read_yaml(path: str | Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The mapping in a YAML file, merged into the one that it extends. `seen`: the files that extend this one."""
    path = Path(path)
    text = read_text(path)
    if path.resolve() in seen:
        raise DocreError(f"{path}: extends itself")
    values = parse_mapping(text, str(path))
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise DocreError(f"{path}: extends: expected a file name, got {base!r}")
    if not os.path.isfile(path.parent / base):
        raise DocreError(f"{path}: extends: no such file: {path.parent / base}")
    return merge(read_yaml(path.parent / base, (*seen, path.resolve())), values)


def parse_mapping(text: str, where: str) -> dict[str, Any]:
    """The mapping in a YAML text. Raises DocreError that begins with `where` if it holds none."""
    values = parse_yaml(text, where)
    if not isinstance(values, dict):
        raise DocreError(f"{where}: expected a mapping of keys to values, as in configs/quickstart.yaml")
    return values


def parse_yaml(text: str, where: str) -> Any:
    """The value in a YAML text. Raises DocreError that begins with `where` and names the line of a syntax error."""
    if len(text) > MAX_CHARACTERS:
        raise DocreError(f"{where}: {len(text):,} characters are too many for a config (at most {MAX_CHARACTERS:,})")
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise DocreError(f"{where}: {line}not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocreError(f"{where}: not valid YAML: {error}") from None
    except (KeyError, IndexError, AttributeError):  # of PyYAML, for "!!bool maybe" and the like
        raise DocreError(f"{where}: not valid YAML: a value is not of the type of its tag") from None


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Nested mappings of `key=value` texts: ["loss.alpha=6"] gives {"loss": {"alpha": 6}}. Values are YAML. Raises
    DocreError for a text without "=", and for a value that is not valid."""
    for text in overrides:
        if "=" not in text:
            raise DocreError(f"expected key=value (for example loss.alpha=6), got {text!r}")
    pairs = [override.partition("=")[::2] for override in overrides]
    return nest((key, parse_yaml(text, key)) for key, text in pairs)


def nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Nested mappings of values with dotted keys: ("loss.alpha", 6) gives {"loss": {"alpha": 6}}."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        section = values
        *parents, last = key.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise DocreError(f"{key}: {parent!r} is given both as a value and as a section")
        section[last] = value
    return values


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` updated with `changes`, section by section. A new model or loss name drops the old one's parameters, and
    an empty section the old one's keys."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and value:
            renamed = key in COMPONENTS and value.get("name", old.get("name")) != old.get("name")
            merged[key] = value if renamed else merge(old, value)
        else:
            merged[key] = value
    return merged


def first_problem(error: ValidationError, kind: type[BaseModel] = Config) -> str:
    """One line about the first of pydantic's errors; it names the key."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        section: Any = kind
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


def describe_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """All keys of the config: (dotted key, default as text, explanation)."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Component:
            yield from describe_keys(kind, f"{prefix}{name}.")
            continue
        default = "required" if field.is_required() else field.default
        if isinstance(default, Component):
            default = default.name
        text = " ".join((field.description or "").split())
        yield f"{prefix}{name}" + (".name" if kind is Component else ""), str(default), text


def to_yaml(config: Section) -> str:
    """The config as YAML; `load_config` reads an equal config back."""
    return yaml.dump(config.model_dump(), Dumper=Dumper, sort_keys=False, allow_unicode=True)
