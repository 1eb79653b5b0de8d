"""Which files are there: in local folders, or at addresses that fsspec knows."""

import glob
import os
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from docre.core.files import is_unicode
from docre.core.storage import Input, filesystem, one_line, protocols, suffix
from docre.errors import DocreError


def expand(pattern: str, suffixes: Collection[str]) -> list[Input]:
    """The files that a file, a folder (those in it with one of the suffixes, at any depth) or a glob pattern means, in
    the order of their names, with absolute paths. A name that exists is never taken for a pattern. Raises DocreError if
    there are none, or the name of one is not UTF-8."""
    system, start = filesystem(pattern)
    with one_line(pattern):
        there = os.path.exists(start) if system is None else system.exists(start)
        is_pattern = not there and any(character in start for character in "*?[")
        find = local_files if system is None else remote_files
        found = sorted(find(system, start, is_pattern, suffixes), key=lambda file: file.path)
    if not found:
        raise DocreError(f"{pattern}: no files there ({', '.join(sorted(suffixes))})")
    for file in found:
        if not is_unicode(file.path):
            raise DocreError(f"{file.path!a}: the name of the file is not UTF-8")
    return found


def local_files(system: None, start: str, is_pattern: bool, suffixes: Collection[str]) -> list[Input]:
    """See `expand`."""
    if is_pattern:
        paths = [path for path in glob.glob(start, recursive=True) if not os.path.isdir(path)]
        paths = list({location(path): path for path in sorted(paths, key=len, reverse=True)}.values())  # links may loop
    elif os.path.isdir(start):
        paths = [path for path in files_below(start) if suffix(path) in suffixes]
    else:
        paths = [start]
    return [Input(os.path.abspath(path), size_of(path)) for path in paths]


def files_below(start: str) -> Iterator[str]:
    """The files in a folder at any depth, also behind links to folders, each folder once."""
    seen = set()
    for folder, folders, names in os.walk(start, onerror=fail, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (os.path.join(folder, name) for name in names)


def fail(error: OSError) -> None:
    """Raises the DocreError for a folder that cannot be read, which os.walk would leave out."""
    raise DocreError(f"{error.filename}: {error.strerror}")


def size_of(path: str) -> int:
    """The size of a local file. Raises DocreError if there is none (a broken link)."""
    with one_line(path):
        return os.stat(path).st_size


def remote_files(system: Any, start: str, is_pattern: bool, suffixes: Collection[str]) -> list[Input]:
    """See `expand`. The sizes come with the names, since a request for each file takes long."""
    if is_pattern:
        found = system.glob(start, detail=True)
    elif system.isdir(start):
        found = {path: about for path, about in system.find(start, detail=True).items() if suffix(path) in suffixes}
    else:
        found = {start: system.info(start)}
    files = {path: about for path, about in found.items() if about["type"] != "directory"}
    return [Input(system.unstrip_protocol(path), int(about["size"] or 0)) for path, about in files.items()]


def is_inside(path: str, folder: str) -> bool:
    """Whether a file is in a folder, at any depth. Each is a local path or an address."""
    start = location(os.path.join(folder, "x"))[:-1]  # of what is in it, since the folder may be a link itself
    return location(path).startswith(start)


def location(path: str) -> str:
    """The one name of what a local path or an address means, without links and a slash at its end."""
    system, inside = filesystem(path)
    if system is not None and "file" not in protocols(system):
        return str(system.unstrip_protocol(inside)).rstrip("/")
    folder, name = os.path.split(os.path.abspath(inside))
    return Path(real_folder(folder), name).as_posix()


@lru_cache(1024)
def real_folder(path: str) -> str:
    """A local folder without symbolic links."""
    return os.path.realpath(path)


def names_in(folder: str) -> set[str]:
    """The names of the files and folders in a folder, as it is now; none if it is not there."""
    system, inside = filesystem(folder)
    with one_line(folder):
        try:
            if system is None:
                return set(os.listdir(folder))
            system.invalidate_cache(inside)  # since other processes write there too
            return {PurePosixPath(name).name for name in system.ls(inside, detail=False)}
        except FileNotFoundError:
            return set()
