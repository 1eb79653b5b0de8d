"""Checks on the values of JSON files, with errors that name the field."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from docre.errors import DocreError

NAMES: dict[type, str] = {str: "a text", int: "an integer", list: "a list", dict: "an object", bool: "true or false"}
ALIKE = 0.8  # difflib's ratio: "label" is like "labels", "gpt_labels" is not
SAME = {"labels": "relations", "relations": "labels"}  # what DocRED JSON and the jsonl format call the same thing


def describe_type(value: Any) -> str:
    """What a JSON value is, in words."""
    return "nothing" if value is None else NAMES.get(type(value), f"a {type(value).__name__}")


def get(item: Any, key: str, expected: type, where: str) -> Any:
    """item[key]. Raises DocreError where `item` is no object, or the value is missing or not of the type."""
    if not isinstance(item, Mapping):
        raise DocreError(f"{where}: expected an object, got {describe_type(item)}")
    value = item.get(key)
    if type(value) is not expected:
        raise DocreError(f"{where}: expected {NAMES[expected]} in {key!r}, got {describe_type(value)}")
    return value


def get_optional(item: Any, key: str, expected: type, where: str, default: Any = None) -> Any:
    """The same; `default` where the key is missing or null."""
    if isinstance(item, Mapping) and item.get(key) is None:
        return default
    return get(item, key, expected, where)


def parse_integers(value: Any, where: str, length: int | None = None) -> tuple[int, ...]:
    """A list of integers (of the given length) as a tuple. Raises DocreError for anything else."""
    if not isinstance(value, list) or not all(type(x) is int for x in value) or length not in (None, len(value)):
        raise DocreError(f"{where}: expected a list of {f'{length} ' if length else ''}integers")
    return tuple(value)


def check_keys(item: Any, known: tuple[str, ...], where: str) -> None:
    """Raises DocreError for a key of `item` that must be meant as one of the `known` keys, where that one is missing.
    Keys that are like none of them are extra data, and fine."""
    if not isinstance(item, Mapping):
        return
    for key in item:
        if key not in known and (meant := alike(key, known)) and item.get(meant) is None:
            raise DocreError(f"{where}: unknown key {key!r} (did you mean {meant!r}?)")


@lru_cache(1024)
def alike(key: str, known: tuple[str, ...]) -> str | None:
    """The known key that `key` must be meant for: its plural, another case or spelling, or the other format's name."""
    if SAME.get(key) in known:
        return SAME[key]
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(key.lower(), by_lower, 1, ALIKE)
    return by_lower[close[0]] if close else None
