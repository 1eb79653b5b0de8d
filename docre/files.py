"""Reading and writing files so that a mistake is one line and nothing is ever half-written."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import ujson

from docre.errors import DocreError

T = TypeVar("T")


def read_bytes(path: str | Path) -> bytes:
    """The file's content. Raises DocreError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DocreError(f"{path}: {error.strerror or error}") from None


def read_text(path: str | Path) -> str:
    """The file's content as UTF-8. Raises DocreError where it cannot be read or is not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocreError(f"{path}: not UTF-8 text (byte {error.start})") from None


def read_json(path: str | Path) -> Any:
    """The JSON value in the file. Raises DocreError that names the file, and the line where the JSON breaks."""
    text = read_text(path)
    try:
        return ujson.loads(text)
    except (ValueError, RecursionError):
        return parse_json(text, str(path))


def parse_json(text: str, where: str) -> Any:
    """The JSON value in `text`. Raises DocreError that begins with `where` and says the line that is broken."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DocreError(f"{where}: line {error.lineno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise DocreError(f"{where}: not valid JSON: {error}") from None


def write_atomically(path: str | Path, write: Callable[[Path], T]) -> T:
    """Have `write` fill a new file beside `path`, then rename it: `path` is the old file or the whole new one.

    Raises DocreError where the file cannot be written; nothing is left behind then.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise DocreError(f"{path}: cannot write: {error.strerror or error}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        result = write(temporary)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DocreError(f"{path}: cannot write: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return result


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_json(path: str | Path, value: Any, indent: int | None = 2) -> None:
    """Write a JSON value, whole or not at all; `indent=None` for one compact line. NaN is refused (ValueError)."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False) + "\n")
