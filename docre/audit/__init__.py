"""Audit of labels: which are probably missing from a corpus, which are probably wrong, and their correction.

Every document is judged by models that were not trained on it (cross-fitting): a model that has seen a document has
also learned what is missing there. In short training it has not learned much of that yet, and a single fold, judged by
models that were trained on it, may be better.
"""

from docre.audit.applying import Changes, apply_decisions
from docre.audit.folds import Audit, plan_audit
from docre.audit.suggestions import Suggestion, Suggestions, read_suggestions

__all__ = ["Audit", "Changes", "Suggestion", "Suggestions", "apply_decisions", "plan_audit", "read_suggestions"]
