"""Scores of predictions, bootstrap confidence intervals and tests, and submission files. Does not import torch."""

from docre.evaluation.bootstrap import Difference, Interval, compare, intervals, no_difference
from docre.evaluation.evaluator import Evaluator, evaluate
from docre.evaluation.facts import FactCollector, FactSet, TrainFacts, read_fact_file, train_facts
from docre.evaluation.recorded import check_scores, read_scores
from docre.evaluation.scores import PRF, Scores
from docre.evaluation.submission import read_submission, write_submission
from docre.evaluation.table import differences_table, relations_table, scores_table

__all__ = [
    "PRF",
    "Difference",
    "Evaluator",
    "FactCollector",
    "FactSet",
    "Interval",
    "Scores",
    "TrainFacts",
    "check_scores",
    "compare",
    "differences_table",
    "evaluate",
    "intervals",
    "no_difference",
    "read_fact_file",
    "read_scores",
    "read_submission",
    "relations_table",
    "scores_table",
    "train_facts",
    "write_submission",
]
