"""Downloads one file over HTTP: an interrupted download is resumed, and the finished file is checked."""

import http.client
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from docre.core.files import read_text, write_text
from docre.core.manifests import digest
from docre.core.progress import progress_bar
from docre.errors import DocreError

CHUNK = 1 << 16  # bytes that are read at once
LARGEST = 2 << 30  # bytes of a file; the benchmarks are far smaller
ATTEMPTS = 4
PAUSE = 2.0  # seconds between two attempts
TIMEOUT = 60.0  # seconds without data


def fetch(url: str, path: Path, sha256: str | None = None) -> bool:
    """Download `url` to `path`. Returns False if the file exists already.

    What has arrived is kept in `<path>.part`, and the next call continues from there if the server can send the rest of
    the same version of the file; otherwise it starts again. Within one call ATTEMPTS attempts are made.

    The finished file is checked against `sha256`. If that is None, it is checked against `<path>.sha256`, which an
    earlier download of the same file has written.

    Raises DocreError if the server cannot be reached or does not have the file, if the transfer keeps breaking off, and
    if the checksum is wrong.
    """
    expected = sha256 or recorded_checksum(path)
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
            if is_permanent(error) or attempt == ATTEMPTS:
                raise DocreError(f"{url}: {explain(error)}{resume_hint(part)}") from None
            time.sleep(PAUSE)
    actual = digest(part)
    if expected not in (None, actual):
        discard(part)
        raise DocreError(f"{url}: wrong checksum: expected SHA-256 {expected}, got {actual}; nothing kept")
    write_text(checksum_file(path), f"{actual}  {path.name}\n")
    part.replace(path)
    discard(part)
    return True


def receive(url: str, part: Path, name: str) -> None:
    """Download the rest of `url` into `part`, with a progress bar called `name`. Raises OSError or HTTPException if
    the transfer breaks off."""
    version = version_file(part)
    done = part.stat().st_size if part.is_file() and version.is_file() else 0
    headers = {"User-Agent": "docre"}
    if done:
        headers |= {"Range": f"bytes={done}-", "If-Range": read_text(version)}
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:
            discard(part)
            raise http.client.HTTPException("the partial file is not the beginning of this file") from None
        raise
    with response:
        start = first_byte(response)
        if start not in (0, done):
            raise http.client.HTTPException(f"the server sent bytes from {start} on, expected {done}")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        if not start:
            discard(part)
            current = strong_version(response)
            if current:
                write_text(version, current)
        with progress_bar(total, name, "B", initial=start, unit_scale=True) as bar:
            append(response, part, bar)
    if total is not None and part.stat().st_size != total:
        raise http.client.HTTPException("the connection broke off")


def append(response: Any, part: Path, bar: Any) -> None:
    """Append the body of the response to `part`. Raises DocreError if that fails, or the file exceeds LARGEST bytes."""
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
    """The offset in the file at which the response begins: 0 unless the response is partial (206).

    Raises HTTPException if a partial response does not say where it begins.
    """
    if response.status != 206:
        return 0
    begin = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if not begin.isdecimal():
        raise http.client.HTTPException("the server sent a part of the file without saying which")
    return int(begin)


def strong_version(response: Any) -> str | None:
    """What identifies this version of the file, for the header If-Range: the ETag unless it is weak, else the date;
    None if the response has neither."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def version_file(part: Path) -> Path:
    """The file that records which version a partial file belongs to. Without it a download cannot be resumed."""
    return part.with_name(part.name + ".version")


def discard(part: Path) -> None:
    """Delete a partial file and the record of its version."""
    part.unlink(missing_ok=True)
    version_file(part).unlink(missing_ok=True)


def is_permanent(error: Exception) -> bool:
    """Whether another attempt cannot help: there is no connection, or the server refused the request."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code < 500 and error.code not in (408, 429)
    return isinstance(error, urllib.error.URLError)


def explain(error: Exception) -> str:
    """What went wrong, for the error message."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"cannot be reached: {error.reason}"
    return str(error) or type(error).__name__


def resume_hint(part: Path) -> str:
    """The end of the error message: that the download can be resumed, if it can."""
    if part.is_file() and version_file(part).is_file():
        return f" ({part.stat().st_size:,} bytes are kept: run the command again to go on from there)"
    return ""


def checksum_file(path: Path) -> Path:
    """The file that records the checksum of a downloaded file, in the format of `sha256sum`."""
    return path.with_name(path.name + ".sha256")


def recorded_checksum(path: Path) -> str | None:
    """The checksum that an earlier download recorded; None if there was none."""
    if not checksum_file(path).is_file():
        return None
    match = re.match(r"([0-9a-f]{64})\b", read_text(checksum_file(path)))
    if match is None:
        raise DocreError(f"{checksum_file(path)}: expected a SHA-256 checksum")
    return match[1]
