"""The base class of taggers: they find the entities of a plain text."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from docre.core.registry import Registry
from docre.documents import Document


class Tagger(ABC):
    """Turns plain text into a Document with its entities: mentions, types, and which mentions are one entity.

    The document has the whole text, and its `source` (see `docre.documents.plain.mark`) with scores where the tagger
    knows them. Its parameters are the arguments of its constructor.

    reference: where it comes from.
    portable:  whether checkpoints hold a copy of it, by `fill` and `read`.
    """

    reference: ClassVar[str] = ""
    portable: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, text: str, title: str) -> Document:
        """The document of a text, unlabeled. Threads may call this concurrently."""

    def use_precision(self, precision: str) -> None:  # noqa: B027  # most have no such setting
        """Compute in this precision ("fp32", "bf16" or "fp16") if the tagger's own setting is "auto"."""

    def fill(self, folder: Path) -> None:
        """Write everything that `read` needs into a folder that exists. Only where `portable`."""
        raise NotImplementedError

    @classmethod
    def read(cls, folder: Path) -> "Tagger":
        """The tagger in a folder that `fill` wrote, whose files have been compared with a manifest. They may be a
        stranger's. Only where `portable`. Raises DocreError if they are malformed."""
        raise NotImplementedError


TAGGERS: Registry[Tagger] = Registry("tagger", "docre.text", Tagger)
