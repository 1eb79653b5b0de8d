"""The base class of taggers: they find the entities of a plain text."""

from abc import ABC, abstractmethod
from typing import ClassVar

from docre.core.registry import Registry
from docre.documents import Document


class Tagger(ABC):
    """Turns plain text into a Document with its entities: mentions, types, and which mentions are one entity.

    The document has the whole text, and its `source` (see `docre.documents.plain.mark`) with scores where the tagger
    knows them. Its parameters are the arguments of its constructor.

    reference: where it comes from.
    """

    reference: ClassVar[str] = ""

    @abstractmethod
    def __call__(self, text: str, title: str) -> Document:
        """The document of a text, unlabeled. Threads may call this concurrently."""


TAGGERS: Registry[Tagger] = Registry("tagger", "docre.text")
