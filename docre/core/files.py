"""Reading and writing files so that a mistake is one line and nothing is ever half-written."""

import codecs
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import orjson

from docre.errors import DocreError

T = TypeVar("T")


def read_bytes(path: str | Path) -> bytes:
    """The file's content. Raises DocreError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DocreError(f"{path}: {error.strerror or error}") from None


def read_text(path: str | Path) -> str:
    """The file's content as UTF-8, without a byte order mark at its start. Raises DocreError where it cannot be read or
    is not UTF-8."""
    return decode(read_bytes(path), str(path))


def decode(content: bytes, where: str) -> str:
    """UTF-8 text, without a byte order mark at its start. Raises DocreError that begins with `where`."""
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocreError(f"{where}: not UTF-8 text (byte {error.start})") from None


def read_json(path: str | Path) -> Any:
    """The JSON value in the file. Raises DocreError that names the file, and the line where the JSON breaks."""
    return parse_json(read_bytes(path), str(path))


def parse_json(content: str | bytes, where: str, first_line: int = 1) -> Any:
    """The JSON value in a text, or in its UTF-8 bytes with or without a byte order mark.

    Strictly JSON (RFC 8259): no `NaN`, no `01`, no line break in a string, no half of a surrogate pair, and nothing
    nested more than 1,024 deep. Of a key given twice the last value counts; an integer beyond 64 bits is read as a
    float. Raises DocreError that begins with `where` and says the line that is broken, counted from `first_line`.
    """
    if isinstance(content, bytes):
        content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if isinstance(content, bytes):
            decode(content, where)  # raises where that is what is wrong
        raise DocreError(f"{where}: line {first_line + error.lineno - 1}: not valid JSON: {error.msg}") from None


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
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except (OSError, UnicodeEncodeError) as error:
        raise DocreError(f"{path}: cannot write: {getattr(error, 'strerror', None) or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return result


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk, so that not even a power cut takes it away."""
    if os.name == "nt":
        return  # it syncs no folder, and no file that is opened for reading
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_json(path: str | Path, value: Any, indent: int | None = 2) -> None:
    """Write a JSON value, whole or not at all; `indent=None` for one compact line. NaN is refused (ValueError)."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False) + "\n")
