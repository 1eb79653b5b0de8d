"""What a teacher leaves for the documents of a file, on disk: arrays by title and name, written once, read one by one.

targets.json           what the targets were made from and for: see `TargetWriter`
shard-<n>.safetensors  the arrays of some documents, called <position in the shard>.<name of the array>
shard-<n>.json         the titles of these documents in order, size and SHA-256 of the shard
manifest.json          sizes and hashes of all these files; written at last, so it says that the targets are complete

The array "attention" has a row for each context of the document and a column for each token; any other has a row for
each candidate pair.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from docre.core.files import read_json, write_atomically, write_json
from docre.core.manifests import MANIFEST, check_file, digest, read_manifest, remove_leftovers
from docre.data.features import Features
from docre.errors import DocreError

ORIGIN = "targets.json"
SHARD_SUFFIX = ".safetensors"
SHARD_BYTES = 1 << 26  # a shard is closed when it has as many bytes, which are in memory until then
Arrays = Mapping[str, NDArray[Any]]


class TargetWriter:
    """Writes targets into a folder, or goes on after the last complete shard that is in it.

    folder: the folder, which has to be new, empty, or that of the same targets.
    origin: what the targets depend on, as JSON values, among them "checkpoint" and "data" (SHA-256 of the teacher's
            weights and of the file of documents), "targets" (the names of the arrays), "max_tokens" (of a document),
            "outputs" and "relations" (number and SHA-256, of logits).
    done:   number of documents that are written.

    Raises DocreError if the folder holds anything else, or cannot be written.
    """

    def __init__(self, folder: str | Path, origin: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        existing = read_origin(self.folder)
        difference = first_difference(existing, origin) if existing else ""
        if difference:
            raise DocreError(f"{self.folder} holds other targets: {difference}; choose another folder, or remove it")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder)
            if not (self.folder / ORIGIN).exists() and any(p.name != ".lock" for p in self.folder.iterdir()):
                raise DocreError(f"{self.folder}: expected a new folder, an empty one, or one that holds targets")
        except OSError as error:
            raise DocreError(f"{self.folder}: cannot write: {error.strerror or error}") from None
        write_json(self.folder / ORIGIN, dict(origin))
        self._titles = {title for titles in shard_titles(self.folder) for title in titles}
        self._shards = sum(1 for _ in shard_titles(self.folder))
        self._pending: list[tuple[str, Arrays]] = []
        self._bytes = 0

    @property
    def done(self) -> int:
        return len(self._titles)

    @property
    def finished(self) -> bool:
        """Whether the targets are complete."""
        return (self.folder / MANIFEST).is_file()

    def write(self, documents: Sequence[tuple[str, Arrays]]) -> None:
        """Add the arrays of some documents, with their titles. Documents that are added together are in one shard, so
        that a writer that was killed goes on with the first of such a group. Raises DocreError for a repeated title."""
        for title, arrays in documents:
            if title in self._titles:
                raise DocreError(f"{self.folder}: two documents have the title {title!r}; targets are found by title")
            self._titles.add(title)
            self._pending.append((title, arrays))
            self._bytes += sum(array.nbytes for array in arrays.values())
        if self._bytes >= SHARD_BYTES:
            self._close_shard()

    def finish(self) -> None:
        """Write what is left, and that the targets are complete."""
        if self._pending:
            self._close_shard()
        files = {ORIGIN: described(self.folder / ORIGIN)}
        for number in range(self._shards):
            path = shard_path(self.folder, number)
            content = read_json(path.with_suffix(".json"))
            files[path.name] = {"bytes": content["bytes"], "sha256": content["sha256"]}
            files[path.with_suffix(".json").name] = described(path.with_suffix(".json"))
        write_json(self.folder / MANIFEST, files)

    def _close_shard(self) -> None:
        path = shard_path(self.folder, self._shards)
        arrays = {f"{i}.{name}": array for i, (_, arrays) in enumerate(self._pending) for name, array in arrays.items()}

        def write(temporary: Path) -> None:
            try:
                save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
            except SafetensorError as error:  # the disk is full
                raise OSError(str(error)) from None

        write_atomically(path, write)
        titles = [title for title, _ in self._pending]
        write_json(path.with_suffix(".json"), {"titles": titles, **described(path)}, indent=None)
        self._pending, self._bytes = [], 0
        self._shards += 1


class TargetStore:
    """The targets in a folder. Only titles are in memory; processes and threads may share it.

    Each file is compared with the manifest before anything of it is used. Raises DocreError if the folder does not hold
    complete targets, or not those that were written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / ORIGIN).is_file():
            raise DocreError(f"{self.folder}: no targets in it (docre targets writes them)")
        if not (self.folder / MANIFEST).is_file():
            raise DocreError(f"{self.folder}: its targets are not complete: docre targets goes on where it stopped")
        self._written = read_manifest(self.folder)
        self._checked: set[str] = set()
        for name in self._written:
            if not name.endswith(SHARD_SUFFIX):
                self._check(name)
        self.origin = read_origin(self.folder)
        self._places: dict[str, tuple[int, int]] = {}  # shard, and position in it
        for shard, titles in enumerate(shard_titles(self.folder)):
            self._places.update((title, (shard, i)) for i, title in enumerate(titles))

    def check(self, names: Sequence[str], expected: Mapping[str, Any]) -> None:
        """Raises DocreError if there are no arrays of these names, or another origin than `expected`, a part of it."""
        difference = first_difference(self.origin, expected)
        if difference:
            raise DocreError(f"data.targets: {self.folder} does not fit this run: {difference}")
        for name in names:
            if name not in self.origin["targets"]:
                has = ", ".join(self.origin["targets"])
                raise DocreError(f"data.targets: {self.folder} has no {name!r}, but {has}")

    def read(self, title: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The arrays of a document. Raises DocreError if it has none of these names."""
        if title not in self._places:
            raise DocreError(f"{self.folder}: no targets for document {title!r}")
        shard, position = self._places[title]
        path = shard_path(self.folder, shard)
        self._check(path.name)
        try:
            with safe_open(path, "np") as file:
                return {name: file.get_tensor(f"{position}.{name}") for name in names}
        except (OSError, SafetensorError) as error:
            raise DocreError(f"{path}: document {title!r}: cannot be read: {error}") from None

    def _check(self, name: str) -> None:
        """Raises DocreError unless the file of this name is the one that was written; each file is read once."""
        if name in self._checked:
            return
        if not (self.folder / name).is_file():
            raise DocreError(f"{self.folder / name}: missing, though {MANIFEST} lists it")
        check_file(self.folder / name, self._written.get(name, {}))
        self._checked.add(name)

    def attach(self, document: Features, names: Sequence[str]) -> Features:
        """A copy of the document with its targets. Raises DocreError if these are for another document."""
        targets = self.read(document.title, names)
        for name, array in targets.items():
            rows, what = (len(document.contexts), "contexts") if name == "attention" else (len(document.pairs), "pairs")
            if len(array) != rows:
                raise DocreError(
                    f"{self.folder}: document {document.title!r}: {name} has {len(array)} rows, "
                    f"but the document has {rows} {what}"
                )
            if name == "attention" and array.shape[1] != len(document.input_ids):
                raise DocreError(
                    f"{self.folder}: document {document.title!r}: attention has {array.shape[1]} columns, "
                    f"but the document has {len(document.input_ids)} tokens"
                )
        return replace(document, targets=targets)


class TargetedFeatures(Sequence[Features]):
    """Features of documents together with their targets, which are read whenever a document is asked for.

    names: the arrays to read.
    """

    def __init__(self, features: Sequence[Features], store: TargetStore, names: Sequence[str]) -> None:
        self.features = features
        self.store = store
        self.names = names

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> Features:  # type: ignore[override]  # no slices
        return self.store.attach(self.features[index], self.names)


def read_origin(folder: Path) -> dict[str, Any]:
    """The content of targets.json in a folder; empty if there is none. Raises DocreError if it is malformed."""
    path = folder / ORIGIN
    if not path.is_file():
        return {}
    origin = read_json(path)
    if not isinstance(origin, dict) or not isinstance(origin.get("targets"), list):
        raise DocreError(f"{path}: torn or changed: expected an object with the names of the targets")
    return origin


def first_difference(origin: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """The first difference of the origin of targets from what is expected, in words; "" if there is none."""
    for key, value in expected.items():
        found = origin.get(key)
        if found != value:
            was, now = (x[:16] if isinstance(x, str) else x for x in (found, value))
            return f"{key} was {was}, now it is {now}"
    return ""


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return folder / f"shard-{number:05}{SHARD_SUFFIX}"


def shard_titles(folder: Path) -> Iterator[list[str]]:
    """The titles of the documents in each complete shard."""
    for number in count():
        path = shard_path(folder, number).with_suffix(".json")
        if not path.is_file():
            return
        content = read_json(path)
        titles = content.get("titles") if isinstance(content, dict) else None
        if not isinstance(titles, list) or not all(isinstance(title, str) for title in titles):
            raise DocreError(f"{path}: torn or changed: expected the titles of documents")
        yield titles


def described(path: Path) -> dict[str, Any]:
    """The size and the SHA-256 of a file, as in a manifest."""
    return {"bytes": path.stat().st_size, "sha256": digest(path)}
