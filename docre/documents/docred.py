"""A document as an object of DocRED JSON."""

from typing import Any

from docre.documents.document import Document


def to_json(document: Document) -> dict[str, Any]:
    """A document as a DocRED JSON object; the keys `labels` and `pairs` are left out if the document has None there."""
    item: dict[str, Any] = {
        "title": document.title,
        "sents": [list(sentence) for sentence in document.sentences],
        "vertexSet": [
            [{"name": m.name, "sent_id": m.sentence, "pos": [m.start, m.end], "type": m.type} for m in entity.mentions]
            for entity in document.entities
        ],
    }
    if document.triples is not None:
        item["labels"] = [
            {"h": t.head, "t": t.tail, "r": t.relation, "evidence": list(t.evidence)} for t in document.triples
        ]
    if document.pairs is not None:
        item["pairs"] = [list(pair) for pair in document.pairs]
    return item
