"""Known files out of an archive, and nothing else."""

import gzip
import shutil
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from docre.errors import DocreError
from docre.files import write_atomically

LARGEST = 1 << 30  # bytes of one unpacked file
BROKEN = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


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
                extract(archive, folder / name, lambda info=info: content.open(info))  # type: ignore[misc]
    except (*BROKEN, OSError) as error:
        raise DocreError(f"{archive}: not a sound zip archive: {error}") from None
    return [folder / name for name in found]


def gunzip(archive: Path, folder: Path) -> Path:
    """Unpack `NAME.gz` to `folder/NAME`. Raises DocreError for a broken archive and one of more than LARGEST bytes."""
    extract(archive, folder / archive.stem, lambda: gzip.open(archive))
    return folder / archive.stem


def extract(archive: Path, path: Path, source: Callable[[], Any]) -> None:
    """Write what `source` opens to `path`, whole or not at all."""

    def write(temporary: Path) -> None:
        try:
            with source() as packed, temporary.open("wb") as file:
                shutil.copyfileobj(Bounded(packed), file)
        except BROKEN as error:
            raise DocreError(f"{archive}: broken: {error}") from None
        except OverflowError:
            raise DocreError(f"{archive}: {path.name} has more than {LARGEST:,} bytes, given up") from None

    write_atomically(path, write)


class Bounded:
    """A file to read from that ends in OverflowError after LARGEST bytes, whatever its header says."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.left = LARGEST

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        data: bytes = self.file.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise OverflowError
        return data
