"""End-to-end scores: documents whose mentions, entities, types and triples were all predicted."""

from docre.evaluation.end_to_end.scores import EndToEndScores, RelationScores, evaluate_end_to_end
from docre.evaluation.end_to_end.table import end_to_end_table

__all__ = ["EndToEndScores", "RelationScores", "end_to_end_table", "evaluate_end_to_end"]
