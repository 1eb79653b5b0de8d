"""The registry of readers, and their common signature."""

from collections.abc import Callable, Sequence
from pathlib import Path

from docre.core.registry import Registry
from docre.documents import Document

Reader = Callable[[Path], Sequence[Document]]

# A reader is a function `(path: Path) -> list[Document]` with the decorator `@READERS.register("name")`. It raises
# DocreError that names the file, the document and the field for anything that its format does not allow.
READERS: "Registry[Sequence[Document]]" = Registry("reader", "docre.data.readers")
