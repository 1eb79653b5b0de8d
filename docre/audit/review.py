"""The page on which people review suggestions: one HTML file that works from a disk, without a network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docre.audit.suggestions import Suggestions
from docre.core.page import render
from docre.documents import Document

FOLDER = Path(__file__).parent / "page"


def review_page(suggestions: Suggestions, documents: Sequence[Document], most: int) -> str:
    """The page of the `most` probable suggestions of each kind. Its data, JSON in <script id="data">, are what
    `Suggestions.to_json` gives, and `documents`: of each document, by its position in the file,

        {title, sentences: [[token, ...], ...], entities: [{name, type, mentions: [[sentence, start, end], ...]}, ...]}
    """
    of_kinds = [[s for s in suggestions.suggestions if s.kind == kind][:most] for kind in ("missing", "wrong")]
    shown = Suggestions(suggestions.data, suggestions.digest, suggestions.reader, [s for k in of_kinds for s in k])
    texts = {str(s.document): text_of(documents[s.document]) for s in shown.suggestions}
    return render(FOLDER, shown.to_json() | {"documents": texts}, title=f"Review of {Path(suggestions.data).name}")


def text_of(document: Document) -> dict[str, Any]:
    """The page's data about one document."""
    entities = [
        {"name": e.name, "type": e.type, "mentions": [[m.sentence, m.start, m.end] for m in e.mentions]}
        for e in document.entities
    ]
    return {"title": document.title, "sentences": [list(s) for s in document.sentences], "entities": entities}
