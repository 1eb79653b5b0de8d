"""Reads and writes files: errors become one-line DocreErrors, and no file is ever left half-written."""

import codecs
import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

import orjson

from docre.errors import DocreError

T = TypeVar("T")
UMASK = os.umask(0)  # asked for once, since asking changes it for a moment, for all threads
os.umask(UMASK)


def read_bytes(path: str | Path) -> bytes:
    """The file's content. Raises DocreError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DocreError(f"{path}: {error.strerror or error}") from None


def read_text(path: str | Path) -> str:
    """The file's content as UTF-8 text, without a leading byte order mark. Raises DocreError if it cannot be read or is
    not UTF-8."""
    return decode(read_bytes(path), str(path))


def decode(content: bytes, where: str) -> str:
    """The text of UTF-8 bytes, without a leading byte order mark. Raises DocreError that begins with `where`."""
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocreError(f"{where}: not UTF-8 text (byte {error.start})") from None


def is_unicode(text: str) -> bool:
    """Whether a text is valid Unicode, and so can be written as UTF-8: it has no lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def read_json(path: str | Path) -> Any:
    """The JSON value in the file. Raises DocreError that names the file and the line of a syntax error."""
    return parse_json(read_bytes(path), str(path))


def parse_json(content: str | bytes, where: str, first_line: int = 1) -> Any:
    """The JSON value in a text, or in UTF-8 bytes with or without a byte order mark.

    Strictly JSON (RFC 8259): no `NaN`, no `01`, no line break in a string, no lone surrogate, and at most 1,024 levels
    of nesting. The last value of a duplicate key counts; an integer beyond 64 bits is read as a float. Raises
    DocreError that begins with `where` and names the line of the error, counted from `first_line`.
    """
    if isinstance(content, bytes):
        content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if isinstance(content, bytes):
            decode(content, where)  # raises the clearer error if the bytes are not UTF-8
        raise DocreError(f"{where}: line {first_line + error.lineno - 1}: not valid JSON: {error.msg}") from None


def write_atomically(path: str | Path, write: Callable[[Path], T]) -> T:
    """Call `write` with the path of a temporary file beside `path`, rename that file to `path`, and return the result.

    `path` is at any time the complete old file or the complete new one. Raises DocreError if the file cannot be
    written; the temporary file is removed then too.
    """
    path = Path(path)
    check_regular(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise DocreError(f"{path}: cannot write: {error.strerror or error}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        result = write(temporary)
        temporary.chmod(0o666 & ~UMASK)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except (OSError, UnicodeEncodeError) as error:
        raise DocreError(f"{path}: cannot write: {getattr(error, 'strerror', None) or error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return result


def check_output(path: str | Path, inputs: Iterable[str | Path | None] = (), suffixes: Collection[str] = ()) -> None:
    """Check the name of a file that will be written, before anything is computed.

    inputs:   what it is made from, which it must not replace; None is ignored.
    suffixes: that it may have, in lower case, if it has one; any if there are none.

    Raises DocreError if it is a folder or one of the inputs, or has another suffix.
    """
    path = Path(path)
    if suffixes and path.suffix and path.suffix.lower() not in suffixes:
        raise DocreError(
            f"{path}: cannot write this kind of file: expected a name that ends with {' or '.join(suffixes)}"
        )
    check_regular(path)
    for other in inputs:
        if other is not None and path.resolve() == Path(other).resolve():
            raise DocreError(f"{path}: this would replace the input; choose another name")


def check_regular(path: Path) -> None:
    """Raises DocreError if there is something at a path that is no file, which a new file would replace."""
    if os.path.isdir(path):
        raise DocreError(f"{path}: cannot write: a folder")
    if os.path.exists(path) and not os.path.isfile(path):
        raise DocreError(f"{path}: cannot write: not a regular file")


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk (fsync), so that it survives a power failure."""
    if os.name == "nt":
        return  # Windows cannot sync a folder, nor a file that is opened for reading
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically (see `write_atomically`)."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_json(path: str | Path, value: Any, indent: int | None = 2) -> None:
    """Write a JSON value atomically; `indent=None` puts it on one line. Raises ValueError for NaN and infinity."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False) + "\n")
