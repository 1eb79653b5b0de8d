"""Files anywhere: in a local folder or at an address that fsspec knows (s3://bucket/file), compressed (.gz, .zst) or
not. Whatever goes wrong is a DocreError of one line that names the file."""

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from docre.core.files import write_atomically
from docre.errors import DocreError, first_line

COMPRESSED = (".gz", ".zst")
ZST_WINDOW = 1 << 27  # bytes that decompression may take
BUFFER = 1 << 16  # bytes that are read ahead
ZST_CHUNK = 1 << 11  # bytes that are decompressed at once, each to 32 KiB at most


@dataclass
class Input:
    """A file to read, with its size and how many of its bytes were read so far, before they are decompressed."""

    path: str
    size: int
    read: int = 0

    def __str__(self) -> str:
        return self.path


Source = Path | str | Input


def is_remote(path: Source) -> bool:
    """Whether this is an address, not a local path."""
    return "://" in str(path)


def suffix(path: Source) -> str:
    """The suffix of a file in lowercase, without that of its compression: ".jsonl" of "a.jsonl.gz"."""
    return decompressed(path).suffix.lower()


def stem(path: Source) -> str:
    """The name of a file without its suffix and that of its compression: "a" of "a.jsonl.gz"."""
    return decompressed(path).stem


def decompressed(path: Source) -> PurePosixPath:
    """The name of a file without the suffix of its compression."""
    name = PurePosixPath(str(path))
    return name.with_suffix("") if name.suffix.lower() in COMPRESSED else name


def filesystem(path: Source) -> tuple[Any, str]:
    """The fsspec file system of an address and the path in it; (None, path) for a local path. Raises DocreError for an
    address of an unknown kind."""
    if not is_remote(path):
        return None, str(path)
    from fsspec.core import url_to_fs

    with one_line(path):
        system, inside = url_to_fs(str(path))
        return system, inside


def folder_is_there(path: Source) -> bool:
    """Whether there is a folder at a local path or an address. Raises DocreError if the storage fails."""
    system, inside = filesystem(path)
    with one_line(path):
        return Path(inside).is_dir() if system is None else bool(system.isdir(inside))


class StorageError(DocreError):
    """The storage failed: a network or a disk, not the one file. The same file may be read later."""


@contextmanager
def reading(path: Source) -> Iterator[None]:
    """Turns what goes wrong with the storage in the block into a StorageError. For a file that is not there, or that
    nobody may read, the error stays what it is."""
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        raise StorageError(f"{path}: {reason(error)}") from None


@contextmanager
def one_line(path: Source) -> Iterator[None]:
    """Turns what goes wrong with a file in the block into a DocreError. For addresses that is any exception, since each
    kind of storage has its own."""
    try:
        yield
    except DocreError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise DocreError(f"{path}: {reason(error)}") from None
    except Exception as error:
        if not is_remote(path) and not type(error).__module__.startswith("zstandard"):
            raise
        raise DocreError(f"{path}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """What an error says, without the number and the name of the file that the system adds: the first line."""
    return getattr(error, "strerror", None) or first_line(error)


@contextmanager
def opened(path: Source) -> Iterator[BinaryIO]:
    """The file, opened for reading its bytes, which are decompressed if its name ends with .gz or .zst. Raises
    DocreError if it cannot be opened or read, so the block should do nothing but read: StorageError if it cannot be
    opened, or if an Input cannot be read, because the storage fails."""
    system, inside = filesystem(path)
    with one_line(path), ExitStack() as stack:
        file: Any
        with reading(path):
            opening = Path(inside).open if system is None else partial(system.open, inside)
            file = stack.enter_context(opening("rb"))
        if isinstance(path, Input):
            file = stack.enter_context(io.BufferedReader(Counted(file, path), BUFFER))
        end = PurePosixPath(str(path).lower()).suffix
        if end == ".gz":
            file = stack.enter_context(gzip.GzipFile(fileobj=file))
        elif end == ".zst":
            file = stack.enter_context(io.BufferedReader(Unzst(file, path)))
        yield cast(BinaryIO, file)


class Unzst(io.RawIOBase):
    """What a .zst file decompresses to. Raises DocreError if the library is missing, and EOFError where the file ends
    too early (which zstandard's own reader takes for the end)."""

    def __init__(self, file: Any, path: Source) -> None:
        try:
            import zstandard
        except ImportError:
            raise DocreError(f"{path}: .zst files need zstandard: pip install 'docre[scale]'") from None
        self.file = file
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=ZST_WINDOW)
        self.frame: Any = None
        self.content = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.content:
            chunk = self.file.read(ZST_CHUNK)
            if not chunk:
                if self.frame is not None:
                    raise EOFError("compressed file ended before the end-of-stream marker was reached")
                return 0
            parts = []
            while chunk:
                self.frame = self.frame or self.decompressor.decompressobj()
                parts.append(self.frame.decompress(chunk))
                chunk = b""
                if self.frame.eof:
                    chunk, self.frame = self.frame.unused_data, None
            self.content = memoryview(b"".join(parts))
        count = min(len(buffer), len(self.content))
        buffer[:count], self.content = self.content[:count], self.content[count:]
        return count


class Counted(io.RawIOBase):
    """A file that tells its Input how far it was read."""

    def __init__(self, file: Any, source: Input) -> None:
        self.file = file
        self.source = source
        source.read = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self.file.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self.file.seek(offset, whence))

    def tell(self) -> int:
        return int(self.file.tell())

    def readinto(self, buffer: Any) -> int:
        with reading(self.source):
            count = int(self.file.readinto(buffer))
        self.source.read = max(self.source.read, self.file.tell())
        return count


def write_bytes(path: str, content: bytes) -> None:
    """Write a file at once: it is there completely or not at all. An object store puts it in place as a whole (asked
    for a folder, it would make a bucket); other kinds of remote storage get it under another name, and then rename it.
    Raises DocreError if it cannot be written."""
    system, inside = filesystem(path)
    if system is None:
        write_atomically(path, lambda temporary: temporary.write_bytes(content))
        return
    with one_line(path):
        if ATOMIC & set(protocols(system)):
            system.pipe_file(inside, content)
        else:
            system.makedirs(system._parent(inside), exist_ok=True)
            system.pipe_file(f"{inside}.tmp", content)
            system.mv(f"{inside}.tmp", inside)


ATOMIC = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hf", "memory"}


def protocols(system: Any) -> Sequence[str]:
    """The names of a file system's kind."""
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


def read_content(path: str) -> bytes | None:
    """The content of a file; None if it is not there. Raises DocreError if it cannot be read."""
    system, inside = filesystem(path)
    with one_line(path):
        try:
            return Path(path).read_bytes() if system is None else bytes(system.cat_file(inside))
        except FileNotFoundError:
            return None


def remove(path: str) -> None:
    """Remove a file if it is there. Raises DocreError if that fails."""
    system, inside = filesystem(path)
    with one_line(path):
        try:
            if system is None:
                Path(path).unlink(missing_ok=True)
            else:
                system.rm_file(inside)
        except FileNotFoundError:
            pass
