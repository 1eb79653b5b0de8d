"""A DocRED file that is written some documents at a time, by a writer that goes on after an interruption."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docre.core.files import check_regular, read_json, sync, write_json
from docre.core.manifests import remove_leftovers
from docre.data.readers.docred import to_json
from docre.documents import Document
from docre.errors import DocreError

CONTENT, PROGRESS = "documents", "progress.json"


class DocumentWriter:
    """Writes what `write_docred` writes, to the byte, with only the documents of one call of `write` in memory.

    Until `finish` has put the whole file in its place, documents are in `partial_folder`, and a writer with the same
    path and origin goes on after the last call of `write`. What another origin left there is overwritten.

    path:   the file.
    origin: what the documents depend on, as JSON values.
    done:   number of documents that are written.
    labels: number of their labels.

    Raises DocreError where nothing can be written.
    """

    def __init__(self, path: str | Path, origin: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.origin = dict(origin)
        self.folder = partial_folder(path)
        self.done = self.labels = self._bytes = 0
        check_regular(self.path)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder)
        except OSError as error:
            raise self._failure(error) from None
        progress, content = read_progress(path), self.folder / CONTENT
        if progress.get("origin") == self.origin and content.is_file() and content.stat().st_size >= progress["bytes"]:
            self.done, self.labels, self._bytes = (progress[key] for key in ("documents", "labels", "bytes"))

    def write(self, documents: Sequence[Document]) -> None:
        """Add some documents."""
        texts = [json.dumps(to_json(document), ensure_ascii=False, allow_nan=False) for document in documents]
        self._append((", " if self.done else "[") + ", ".join(texts))
        self.done += len(documents)
        self.labels += sum(len(document.triples or ()) for document in documents)
        progress = {"documents": self.done, "labels": self.labels, "bytes": self._bytes, "origin": self.origin}
        write_json(self.folder / PROGRESS, progress)

    def finish(self) -> None:
        """Put the complete file in its place."""
        self._append("]\n" if self.done else "[]\n")
        try:
            (self.folder / CONTENT).replace(self.path)
            sync(self.path.parent)
            (self.folder / PROGRESS).unlink(missing_ok=True)
        except OSError as error:
            raise self._failure(error) from None

    def _append(self, text: str) -> None:
        try:
            with (self.folder / CONTENT).open("ab") as file:
                file.truncate(self._bytes)  # what was written after the progress was noted, or for another origin
                self._bytes += file.write(text.encode("utf-8"))
            sync(self.folder / CONTENT)
        except (OSError, UnicodeEncodeError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> DocreError:
        return DocreError(f"{self.path}: cannot write: {getattr(error, 'strerror', None) or error}")


def partial_folder(path: str | Path) -> Path:
    """The folder, beside a file, of what is written of it so far."""
    return Path(path).parent / f".{Path(path).name}.partial"


def read_progress(path: str | Path) -> dict[str, Any]:
    """How far a DocumentWriter of this file was when it was interrupted: "documents", "labels", "bytes" and "origin";
    empty if there is nothing to go on with."""
    file = partial_folder(path) / PROGRESS
    progress = read_json(file) if file.is_file() else {}
    if progress and not (isinstance(progress, dict) and {"documents", "labels", "bytes", "origin"} <= progress.keys()):
        raise DocreError(f"{file}: torn or changed: expected what is written of {path}")
    return progress
