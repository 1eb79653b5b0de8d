"""Triples in JSON values."""

import json
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

import orjson

from docre.answers.base import Found, Item, Malformed

NAMES = {
    "head": ("head", "subject", "h", "head_entity"),
    "relation": ("relation", "predicate", "r", "type"),
    "tail": ("tail", "object", "t", "tail_entity"),
}


OPENING, DECODER, TRIES = re.compile(r"[\[{]"), json.JSONDecoder(), 20
DEEPEST = 16  # levels of lists and objects; more is a model that repeats itself


def json_value(text: str) -> Any:
    """The JSON value in a text, perhaps in a fence (```json); None if there is none, or one of more than DEEPEST
    levels."""
    text = text.strip()
    if text.startswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0]
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return value if depth_is_at_most(DEEPEST, value) else None


def json_values_in(text: str) -> list[Any]:
    """The JSON lists and objects that stand in a text, one after another. Of those that are not whole the first TRIES
    are passed over, and the text after them is not read."""
    found: list[Any] = []
    failed, start = 0, 0
    while failed < TRIES and (opening := OPENING.search(text, start)):
        try:
            _, start = DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            failed, start = failed + 1, opening.end()
            continue
        if (value := json_value(text[opening.start() : start])) is not None:
            found.append(value)
    return found


def depth_is_at_most(levels: int, value: Any) -> bool:
    """Whether a JSON value has no more levels of lists and objects than these."""
    level = [value]
    for _ in range(levels + 1):
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        if not inner:
            return True
        level = list(chain.from_iterable(inner))
    return False


def triples_in(value: Any) -> Iterable[Item]:
    """The triples in a JSON value: a list of three texts, an object with head, relation and tail, a list of these, or
    an object with such a list."""
    if isinstance(value, list) and len(value) == 3 and all(isinstance(each, str) for each in value):
        yield Found(*value)
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, list) and any(isinstance(inner, list | dict) for inner in each):
                yield Malformed(str(each)[:200])  # lists in lists in lists
            else:
                yield from triples_in(each)
    elif isinstance(value, dict):
        fields: list[Any] = [next((value[key] for key in keys if key in value), None) for keys in NAMES.values()]
        lists = [each for each in value.values() if isinstance(each, list)]
        if all(isinstance(field, str) for field in fields):
            yield Found(*fields)
        elif len(lists) == 1 and not any(isinstance(field, str) for field in fields):
            yield from triples_in([each for each in lists[0] if not isinstance(each, str)] or [lists[0]])
        else:
            yield Malformed(str(value)[:200])
    else:
        yield Malformed(str(value)[:200])
