"""Analysis of a model by the margins of all candidate pairs: thresholds, errors, calibration. Does not import torch."""

from docre.analysis.calibration import Calibration, calibrate, load_calibration
from docre.analysis.curves import PrecisionRecall, Reliability, precision_recall, reliability
from docre.analysis.errors import (
    Case,
    ErrorCounts,
    RelationErrors,
    cases,
    count_errors,
    relation_errors,
    seen_types,
    type_consistent,
)
from docre.analysis.offsets import Offsets, OrderingViolations, offsets, ordering_violations
from docre.analysis.table import MarginTable

__all__ = [
    "Calibration",
    "Case",
    "ErrorCounts",
    "MarginTable",
    "Offsets",
    "OrderingViolations",
    "PrecisionRecall",
    "RelationErrors",
    "Reliability",
    "calibrate",
    "cases",
    "count_errors",
    "load_calibration",
    "offsets",
    "ordering_violations",
    "precision_recall",
    "relation_errors",
    "reliability",
    "seen_types",
    "type_consistent",
]
