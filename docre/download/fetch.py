"""One file over HTTP: resumed where it was interrupted, checked when it is whole."""

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from docre.core.files import read_text, write_text
from docre.core.progress import progress_bar
from docre.errors import DocreError

CHUNK = 1 << 16
LARGEST = 2 << 30  # bytes: more than any of these files, far less than a disk
ATTEMPTS = 4
PAUSE = 2.0  # seconds between two of them
TIMEOUT = 60.0  # seconds without a byte


def fetch(url: str, path: Path, sha256: str | None = None) -> bool:
    """Download `url` to `path`; False where it is there already.

    What has arrived is kept in `<path>.part`, and the next call goes on from there, if the server can send the rest of
    the same version of the file; else it starts again. Within a call an interrupted transfer is tried ATTEMPTS times.
    The finished file is checked against `sha256`, or, where that is None, against
    `<path>.sha256`, which an earlier download of the same file left behind; a first download writes it.

    Raises DocreError where the source cannot be reached or does not have the file, where the transfer keeps breaking
    off, and for a wrong checksum.
    """
    expected = sha256 or recorded(path)
    if path.is_file():
        if expected not in (None, digest(path)):
            raise DocreError(f"{path}: not the file that was expected (SHA-256 {expected}): move it away to fetch it")
        return False
    part = path.with_name(path.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DocreError(f"{part.parent}: cannot write: {error.strerror}") from None
    for attempt in range(1, ATTEMPTS + 1):
        try:
            receive(url, part, path.name)
            break
        except (OSError, http.client.HTTPException) as error:
            if permanent(error) or attempt == ATTEMPTS:
                raise DocreError(f"{url}: {reason(error)}{progress(part)}") from None
            time.sleep(PAUSE)
    found = digest(part)
    if expected not in (None, found):
        discard(part)
        raise DocreError(f"{url}: wrong checksum: expected SHA-256 {expected}, got {found}; nothing kept")
    write_text(record(path), f"{found}  {path.name}\n")
    part.replace(path)
    discard(part)
    return True


def receive(url: str, part: Path, name: str) -> None:
    """Get the rest of `url` into `part`. Raises OSError or HTTPException where that breaks off."""
    mark = version_file(part)
    done = part.stat().st_size if part.is_file() and mark.is_file() else 0
    headers = {"User-Agent": "docre"}
    if done:
        headers |= {"Range": f"bytes={done}-", "If-Range": read_text(mark)}
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:
            discard(part)
            raise http.client.HTTPException("what was there is no beginning of this file") from None
        raise
    with response:
        start = first_byte(response)
        if start not in (0, done):
            raise http.client.HTTPException(f"the server sent the bytes from {start}, not from {done}")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        if not start:
            discard(part)
            version = strong_version(response)
            if version:
                write_text(mark, version)
        with progress_bar(total, name, "B", initial=start, unit_scale=True) as bar:
            append(response, part, bar)
    if total is not None and part.stat().st_size != total:
        raise http.client.HTTPException("the connection broke off")


def append(response: Any, part: Path, bar: Any) -> None:
    """Add all that the response has to `part`. Raises DocreError where it cannot be written, or is too much."""
    try:
        file = part.open("ab")
    except OSError as error:
        raise DocreError(f"{part}: cannot write: {error.strerror}") from None
    with file:
        while chunk := response.read(CHUNK):
            if file.tell() + len(chunk) > LARGEST:
                raise DocreError(f"{response.url}: more than {LARGEST:,} bytes, given up")
            try:
                file.write(chunk)
            except OSError as error:
                raise DocreError(f"{part}: cannot write: {error.strerror}") from None
            bar.update(len(chunk))


def first_byte(response: Any) -> int:
    """Where in the file the response begins: 0 unless it is partial (206) and says so."""
    if response.status != 206:
        return 0
    begin = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if not begin.isdecimal():
        raise http.client.HTTPException("the server sent a part of the file and did not say which")
    return int(begin)


def strong_version(response: Any) -> str | None:
    """What tells this version of a file from any other, for If-Range: its ETag, unless weak, or its date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def version_file(part: Path) -> Path:
    """Where the version of a part is kept; without it a part cannot be resumed."""
    return part.with_name(part.name + ".version")


def discard(part: Path) -> None:
    """Take a part and its version away."""
    part.unlink(missing_ok=True)
    version_file(part).unlink(missing_ok=True)


def permanent(error: Exception) -> bool:
    """Whether trying again at once cannot help: there is no connection, or the server refused."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code < 500 and error.code not in (408, 429)
    return isinstance(error, urllib.error.URLError)


def reason(error: Exception) -> str:
    """What went wrong, in words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"cannot be reached: {error.reason}"
    return str(error) or type(error).__name__


def progress(part: Path) -> str:
    """That running the command again goes on from here, where it does."""
    if part.is_file() and version_file(part).is_file():
        return f" ({part.stat().st_size:,} bytes are kept: run the command again to go on from there)"
    return ""


def record(path: Path) -> Path:
    """Where the checksum of a downloaded file is written down, as `sha256sum` writes it."""
    return path.with_name(path.name + ".sha256")


def recorded(path: Path) -> str | None:
    """The checksum that an earlier download wrote down, if there was one."""
    if not record(path).is_file():
        return None
    found = re.match(r"([0-9a-f]{64})\b", read_text(record(path)))
    if found is None:
        raise DocreError(f"{record(path)}: expected a SHA-256 checksum")
    return found[1]


def digest(path: Path) -> str:
    """The file's SHA-256, as hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()
