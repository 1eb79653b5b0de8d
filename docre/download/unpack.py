"""Known files out of an archive, and nothing else."""

import gzip
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from docre.core.files import write_atomically
from docre.errors import DocreError

CHUNK = 1 << 20
LARGEST = 1 << 30  # bytes of one unpacked file
BROKEN = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Readable(Protocol):
    """An open file of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""


def unzip(archive: Path, names: Sequence[str], folder: Path) -> list[Path]:
    """Unpack the files called `names` (in whatever folder of the archive) into `folder`; those that were found.

    Nothing else is unpacked, and where a file goes does not depend on the archive. Raises DocreError for a broken
    archive, a name that occurs twice, and a file of more than LARGEST bytes.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            found: dict[str, zipfile.ZipInfo] = {}
            for info in content.infolist():
                place = PurePosixPath(info.filename)
                if info.is_dir() or "__MACOSX" in place.parts or place.name not in names:
                    continue
                if place.name in found:
                    raise DocreError(f"{archive}: has two files called {place.name}")
                found[place.name] = info
            for name, info in found.items():
                with content.open(info) as packed:
                    extract(packed, folder / name)
    except (*BROKEN, OSError) as error:
        raise DocreError(f"{archive}: not a sound zip archive: {error}") from None
    return [folder / name for name in found]


def gunzip(archive: Path, folder: Path) -> Path:
    """Unpack `NAME.gz` to `folder/NAME`. Raises DocreError for a broken archive and one of more than LARGEST bytes."""
    path = folder / archive.stem
    try:
        with gzip.open(archive) as packed:
            extract(packed, path)
    except (*BROKEN, OSError) as error:
        raise DocreError(f"{archive}: not a sound gzip file: {error}") from None
    return path


def extract(packed: Readable, path: Path) -> None:
    """Write an unpacked file to `path`, whole or not at all."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            while chunk := unpack(packed):
                if file.tell() + len(chunk) > LARGEST:
                    raise DocreError(f"{path}: more than {LARGEST:,} bytes when unpacked, given up")
                file.write(chunk)

    write_atomically(path, write)


def unpack(packed: Readable) -> bytes:
    """The next bytes; a broken archive is a RuntimeError here, so that it is not taken for a failure to write."""
    try:
        return packed.read(CHUNK)
    except (*BROKEN, OSError) as error:
        raise RuntimeError(str(error)) from None
