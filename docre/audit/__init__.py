"""Audit of labels: which are probably missing from a corpus, which are probably wrong, and their correction.

Models judge the labels that they were trained on: they have been taught them, so that it says much if they still
disagree. With cross-fitting, models that have not seen a document judge it, too. How far they are to be believed is
measured in each audit, with a few labels that are hidden from all of them and a few that are replaced.
"""

from docre.audit.applying import Changes, apply_decisions
from docre.audit.folds import Audit, plan_audit
from docre.audit.suggestions import Suggestion, Suggestions, read_suggestions

__all__ = ["Audit", "Changes", "Suggestion", "Suggestions", "apply_decisions", "plan_audit", "read_suggestions"]
