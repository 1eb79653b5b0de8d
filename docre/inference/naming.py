"""What people want to know of a prediction besides its numbers: names, types, and how likely it is."""

from dataclasses import replace

from docre.analysis.platt import Platt
from docre.data.schema import LabelSchema
from docre.documents import Document, Prediction


def named(prediction: Prediction, document: Document, schema: LabelSchema, platt: Platt | None) -> Prediction:
    """A copy of a prediction for a document with names, types and, with a calibration, its probability."""
    head, tail = document.entities[prediction.head], document.entities[prediction.tail]
    return replace(
        prediction,
        head_name=head.name,
        head_type=head.type,
        probability=None if platt is None else platt.probability(prediction.margin),
        tail_name=tail.name,
        tail_type=tail.type,
        relation_name=schema.name(prediction.relation),
    )
