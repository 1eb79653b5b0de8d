"""docre: document-level relation extraction.

import docre
model = docre.load("runs/redocred_bert_atgl")
for triples in model.predict("documents.json"):
    for triple in triples:
        print(triple.head_name, triple.relation_name, triple.tail_name, triple.margin)
"""

from typing import TYPE_CHECKING, Any

from docre.documents import Document, Entity, Mention, Prediction, Triple
from docre.errors import DocreError, DocreWarning
from docre.version import VERSION as __version__

if TYPE_CHECKING:
    from docre.data.readers import read
    from docre.inference.loading import load

__all__ = [
    "DocreError",
    "DocreWarning",
    "Document",
    "Entity",
    "Mention",
    "Prediction",
    "Triple",
    "__version__",
    "load",
    "read",
]

_LAZY = {
    "load": "docre.inference.loading",
    "read": "docre.data.readers",
}  # imported on first use, since importing torch takes seconds


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
