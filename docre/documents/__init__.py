"""The data types of a corpus: documents of tokenized sentences, entities with mentions, and relation triples."""

from docre.documents.document import (
    Document,
    Entity,
    LabelStatistics,
    Mention,
    Prediction,
    Triple,
    add_title,
    check_titles,
)
from docre.documents.source import Source

__all__ = [
    "Document",
    "Entity",
    "LabelStatistics",
    "Mention",
    "Prediction",
    "Source",
    "Triple",
    "add_title",
    "check_titles",
]
