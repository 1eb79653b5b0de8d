"""What every reader is: a function from a file to documents."""

from collections.abc import Callable, Sequence
from pathlib import Path

from docre.core.registry import Registry
from docre.documents import Document

Reader = Callable[[Path], Sequence[Document]]

# A reader is registered as `@READERS.register("name") def read(path: Path) -> list[Document]`. It raises DocreError
# that names the file, the document and the field for anything that is not as its format wants it.
READERS: "Registry[Sequence[Document]]" = Registry("reader", "docre.data.readers")
