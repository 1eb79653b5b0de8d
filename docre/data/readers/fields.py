"""Checked access to the fields of JSON objects, with errors that name the field."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from docre.errors import DocreError

TYPE_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    list: "a list",
    dict: "an object",
    bool: "true or false",
}
SIMILARITY = 0.8  # least difflib ratio of a misspelling: "label" is one of "labels", "gpt_labels" is not
SYNONYMS = {"labels": "relations", "relations": "labels"}  # one key in DocRED JSON and in the jsonl format


def describe_type(value: Any) -> str:
    """The type of a JSON value in words, with article ("a list"); "nothing" for None, a missing or null value."""
    return "nothing" if value is None else TYPE_NAMES.get(type(value), f"a {type(value).__name__}")


def get(item: Any, key: str, expected: type, where: str) -> Any:
    """item[key]. Raises DocreError that begins with `where` if `item` is not an object, or the value is missing or not
    of the type `expected`."""
    if not isinstance(item, Mapping):
        raise DocreError(f"{where}: expected an object, got {describe_type(item)}")
    value = item.get(key)
    if type(value) is not expected:
        raise DocreError(f"{where}: expected {TYPE_NAMES[expected]} in {key!r}, got {describe_type(value)}")
    return value


def get_optional(item: Any, key: str, expected: type, where: str, default: Any = None) -> Any:
    """`get`, but `default` if the key is missing or its value null."""
    if isinstance(item, Mapping) and item.get(key) is None:
        return default
    return get(item, key, expected, where)


def parse_integers(value: Any, where: str, length: int | None = None) -> tuple[int, ...]:
    """A list of integers as a tuple. Raises DocreError that begins with `where` for any other value or `length`."""
    if not isinstance(value, list) or not all(type(x) is int for x in value) or length not in (None, len(value)):
        raise DocreError(f"{where}: expected a list of {f'{length} ' if length else ''}integers")
    return tuple(value)


def check_keys(item: Any, known: tuple[str, ...], where: str) -> None:
    """Raises DocreError for a key of `item` that looks like a misspelling of a `known` key that is missing. All other
    unknown keys are extra data, which is allowed."""
    if not isinstance(item, Mapping):
        return
    for key in item:
        if key not in known and (meant := intended_key(key, known)) and item.get(meant) is None:
            raise DocreError(f"{where}: unknown key {key!r} (did you mean {meant!r}?)")


@lru_cache(1024)
def intended_key(key: str, known: tuple[str, ...]) -> str | None:
    """The known key that `key` seems to stand for (similar spelling, or the other format's name for it), or None."""
    if SYNONYMS.get(key) in known:
        return SYNONYMS[key]
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(key.lower(), by_lower, 1, SIMILARITY)
    return by_lower[close[0]] if close else None
