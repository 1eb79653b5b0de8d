"""An HTML page to read: the text with its entities, the triples with their evidence, and the graph."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docre.core.page import render
from docre.extraction import Extraction, Span
from docre.graph.base import EXPORTERS, writes

FOLDER = Path(__file__).parent / "page"


@EXPORTERS.register("html")
@writes(".html")
def write_html(extractions: Iterable[Extraction], path: Path) -> None:
    """One self-contained page, which needs no network. Its data, JSON in <script id="data">, is a list of documents:

    {title, text, entities: [{name, type, score, mentions: [[start, end], ...]}, ...],
     triples: [{head, tail, relation, name, confidence, nearest: [[start, end], [start, end]],
                evidence: [[start, end], ...]}, ...]}
    """
    documents = [document(extraction) for extraction in extractions]
    title = documents[0]["title"] if len(documents) == 1 else f"{len(documents)} documents"
    path.write_text(render(FOLDER, documents, title=title or "docre"), encoding="utf-8")


def document(extraction: Extraction) -> dict[str, Any]:
    """The page's data about one document."""
    return {
        "title": extraction.title,
        "text": extraction.text,
        "entities": [
            {"name": e.name, "type": e.type, "score": e.score, "mentions": [bounds(span) for span in e.mentions]}
            for e in extraction.entities
        ],
        "triples": [
            {
                "head": t.head,
                "tail": t.tail,
                "relation": t.relation,
                "name": t.relation_name,
                "confidence": t.confidence,
                "nearest": [bounds(t.head_mention), bounds(t.tail_mention)],
                "evidence": [bounds(span) for span in t.evidence],
            }
            for t in extraction.triples
        ],
    }


def bounds(span: Span) -> list[int]:
    """[start, end] of a span."""
    return [span.start, span.end]
