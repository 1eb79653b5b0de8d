"""What is written of a document: columns, as nested names of types."""

from typing import Any

Columns = dict[str, Any]

TRIPLE: Columns = {"head": int, "tail": int, "relation": str}
FIELDS: dict[str, Columns] = {
    "names": {"head_name": str, "head_type": str, "tail_name": str, "tail_type": str, "relation_name": str},
    "confidence": {"score": float, "margin": float, "probability": float},
    "evidence": {"evidence": [int]},
}
"""What may be written of a triple besides head, tail and relation (see docre.documents.Prediction)."""

SPAN: Columns = {"start": int, "end": int, "score": float}
ENTITY: Columns = {"name": str, "type": str, "mentions": [SPAN], "score": float}
TEXT_TRIPLE: Columns = TRIPLE | {"relation_name": str, "head_mention": SPAN, "tail_mention": SPAN, "evidence": [SPAN]}
TEXT_TRIPLE |= {"margin": float, "confidence": float}
"""A triple of plain text (see docre.extraction.ExtractedTriple)."""


def to_arrow(columns: Any) -> Any:
    """Columns as pyarrow's types: a dict is a struct, and at the top the columns; a list of one type is a list."""
    import pyarrow

    if isinstance(columns, dict):
        return pyarrow.struct([(name, to_arrow(kind)) for name, kind in columns.items()])
    if isinstance(columns, list):
        return pyarrow.list_(to_arrow(columns[0]))
    return {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}[columns]
