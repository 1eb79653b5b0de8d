"""`(head| relation| tail)`, one a line."""

from docre.answers.base import FORMS
from docre.answers.delimited import Delimited


@FORMS.register("bars")
class Bars(Delimited):
    """`(head| relation| tail)`, one a line."""

    reference = "LMRC: Li et al. (2024), LLM with Relation Classifier for Document-Level Relation Extraction"
    opening, closing, separator = "(", ")", "|"
