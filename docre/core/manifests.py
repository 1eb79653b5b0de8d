"""Folders that are written whole, checked when they are read, and belong to one process at a time.

A folder that `write_folder` made holds manifest.json: the size and the SHA-256 of every file in it.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from docre.core.files import read_json, sync, write_json
from docre.errors import DocreError

MANIFEST = "manifest.json"
CHUNK = 1 << 20
LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}\.(tmp|old)")  # what write_folder and write_atomically make meanwhile


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` fill a new folder beside `folder`, add the manifest, flush all to the disk, then rename it.

    `folder` is the old one or the whole new one, never something between; for a moment it is not there. What was added
    to the old one, as `check_folder` allows, stays. Raises DocreError where it cannot be written; nothing is left
    behind then.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".tmp"))
    except OSError as error:
        raise DocreError(f"{folder}: cannot write: {error.strerror or error}") from None
    try:
        temporary.chmod(0o755)
        fill(temporary)
        write_manifest(temporary)
        copy_additions(folder, temporary)
        for path in (*temporary.rglob("*"), temporary):
            sync(path)
        replace(temporary, folder)
        sync(folder.parent)
    except (OSError, SafetensorError) as error:
        raise DocreError(f"{folder}: cannot write: {getattr(error, 'strerror', None) or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def copy_additions(folder: Path, new: Path) -> None:
    """Copy README.md and the hidden files at the top of a folder, if it exists, that the new folder does not have."""
    for path in folder.glob("*"):
        if may_be_added(Path(path.name)) and path.is_file() and not (new / path.name).exists():
            shutil.copy2(path, new / path.name)


def check_output_folder(folder: Path) -> None:
    """Raises DocreError if a folder that will be written with `write_folder` would replace something that is not one:
    a file, or a folder with other files in it."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if os.path.lexists(folder):
        try:
            check_folder(folder)
        except DocreError as error:
            raise DocreError(f"{folder}: this would replace what is there ({error}); choose another name") from None


def replace(new: Path, folder: Path) -> None:
    """Put the folder `new` in the place of `folder`, or leave `folder` there if that fails. Killed between the two
    renames, it leaves both beside it, for `remove_leftovers`."""
    if not folder.exists():
        os.rename(new, folder)
        return
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".old"))
    os.rename(folder, old / folder.name)
    try:
        os.rename(new, folder)
    except BaseException:
        os.rename(old / folder.name, folder)
        shutil.rmtree(old)
        raise
    shutil.rmtree(old)


def write_manifest(folder: Path) -> None:
    """Write down the size and the SHA-256 of every file in the folder."""
    files = {name: {"bytes": path.stat().st_size, "sha256": digest(path)} for name, path in contents(folder).items()}
    write_json(folder / MANIFEST, files)


def check_folder(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder that `write_folder` made.

    Raises DocreError, naming the file, where the folder is not the one that was written: a file is missing, torn,
    changed or added, a link leads out of the folder, or something is neither a file nor a folder. Hidden files and
    README.md may be added.
    """
    for path in folder.rglob("*"):
        check_inside(path, folder)
        if path.exists() and not path.is_file() and not path.is_dir():
            raise DocreError(f"{path}: neither a file nor a folder")
    manifest = read_manifest(folder)
    found = contents(folder)
    for name, expected in manifest.items():
        if name not in found:
            raise DocreError(f"{folder / name}: missing, though {MANIFEST} lists it")
        check_file(found[name], expected)
    for name in found:
        if name not in manifest:
            raise DocreError(f"{folder / name}: not in {MANIFEST}, so not part of what was written")
    return {name: expected["sha256"] for name, expected in manifest.items()}


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The size ("bytes") and the "sha256" of every file in a folder, by its name, as its manifest says. Raises
    DocreError if there is none, or a malformed one."""
    if not (folder / MANIFEST).is_file():
        raise DocreError(f"{folder}: no {MANIFEST}, so nothing says that it is whole")
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not all(isinstance(entry, dict) for entry in manifest.values()):
        raise DocreError(f"{folder / MANIFEST}: torn or changed: expected an object of files")
    return manifest


def check_file(path: Path, expected: Mapping[str, Any]) -> None:
    """Raises DocreError unless a file has the size and the SHA-256 that its folder's manifest says."""
    size = path.stat().st_size
    if size != expected.get("bytes"):
        raise DocreError(f"{path}: torn or changed: {size} bytes, {MANIFEST} says {expected.get('bytes')}")
    if digest(path) != expected.get("sha256"):
        raise DocreError(f"{path}: changed: its SHA-256 is not the one in {MANIFEST}")


def check_inside(path: Path, folder: Path) -> None:
    """Raises DocreError where `path`, in `folder`, is a link that leads out of it."""
    try:
        inside = not path.is_symlink() or path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a loop of links
        inside = False
    if not inside:
        raise DocreError(f"{path}: a link out of the folder, which is not followed")


def contents(folder: Path) -> dict[str, Path]:
    """The files in a folder by their relative names, without what `check_folder` leaves out."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name.as_posix(): path for name, path in files.items() if name.as_posix() != MANIFEST and not may_be_added(name)
    }


def may_be_added(name: Path) -> bool:
    """Whether a file of this name in a folder is no part of what `write_folder` wrote: README.md, and hidden files."""
    return name.as_posix() == "README.md" or any(part.startswith(".") for part in name.parts)


def digest(path: Path) -> str:
    """The SHA-256 of a file. Raises DocreError where it cannot be read."""
    hashed = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                hashed.update(chunk)
    except OSError as error:
        raise DocreError(f"{path}: {error.strerror or error}") from None
    return hashed.hexdigest()


def digest_of_version(path: Path) -> str:
    """The SHA-256 of a file, computed once for each version of it (its size and time), since several stages may read
    a large one, and processes wait for each other by looking."""
    found = path.stat()
    return _digest_of_version(path, found.st_size, found.st_mtime_ns)


@lru_cache
def _digest_of_version(path: Path, size: int, modified: int) -> str:
    return digest(path)


def remove_leftovers(folder: Path) -> None:
    """Remove what runs that were killed while writing left in the folder. A folder that was moved away, and whose place
    nothing has taken yet, is moved back first."""
    for path in list(folder.iterdir()):
        if not LEFTOVER.fullmatch(path.name):
            continue
        name = path.name[1:].rsplit(".", 2)[0]
        if path.suffix == ".old" and (path / name).is_dir() and not (folder / name).exists():
            os.rename(path / name, folder / name)
        remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other processes that lock it out of it. The lock ends with this process at latest.

    Raises DocreError where another process holds the lock, or the folder cannot be made.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise DocreError(f"{folder}: another process is writing there") from None
    except OSError as error:
        raise DocreError(f"{folder}: cannot write: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()
