"""Unpacks known files from an archive, and nothing else."""

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from docre.core.files import write_atomically
from docre.errors import DocreError

CHUNK = 1 << 20
LARGEST = 4 << 30  # bytes of an unpacked file
BROKEN = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
)


class Readable(Protocol):
    """An open binary file."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; empty at the end."""


def unzip(archive: Path, names: Sequence[str], folder: Path) -> list[Path]:
    """Unpack the files called `names`, from any folder of the archive, into `folder`. Returns the unpacked files.

    Nothing else is unpacked, and the archive has no influence on where files are written. Raises DocreError for a
    broken archive, a name that occurs twice, and a file of more than LARGEST bytes.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            members: dict[str, zipfile.ZipInfo] = {}
            for info in content.infolist():
                path = PurePosixPath(info.filename)
                if path.name not in names or "__MACOSX" in path.parts or info.is_dir():
                    continue
                if path.name in members:
                    raise DocreError(f"{archive}: has two files called {path.name}")
                members[path.name] = info
            for name, info in members.items():
                with content.open(info) as packed:
                    extract(packed, folder / name)
    except (*BROKEN, OSError) as error:
        raise DocreError(f"{archive}: not a valid zip archive: {error}") from None
    return [folder / name for name in members]


def gunzip(archive: Path, folder: Path) -> Path:
    """Unpack `NAME.gz` to `folder/NAME`. Raises DocreError for a broken file and one of more than LARGEST bytes."""
    path = folder / archive.stem
    try:
        with gzip.open(archive) as packed:
            extract(packed, path)
    except (*BROKEN, OSError) as error:
        raise DocreError(f"{archive}: not a valid gzip file: {error}") from None
    return path


def extract(packed: Readable, path: Path) -> None:
    """Write the content of `packed` to `path`, completely or not at all."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            while chunk := read_chunk(packed):
                if file.tell() + len(chunk) > LARGEST:
                    raise DocreError(f"{path}: more than {LARGEST:,} bytes when unpacked, given up")
                file.write(chunk)

    write_atomically(path, write)


def read_chunk(packed: Readable) -> bytes:
    """The next unpacked bytes. Raises RuntimeError for a broken archive, which is thus not taken for a write error."""
    try:
        return packed.read(CHUNK)
    except (*BROKEN, OSError) as error:
        raise RuntimeError(str(error)) from None
