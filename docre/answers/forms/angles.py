"""`<'head', 'relation', 'tail'>`, one or several a line."""

from docre.answers.base import FORMS
from docre.answers.delimited import Delimited


@FORMS.register("angles")
class Angles(Delimited):
    """`<'head', 'relation', 'tail'>`; two on a line are two."""

    reference = "DocGNRE: Li et al. (2023), Semi-automatic Data Enhancement for Document-Level RE, EMNLP"
    opening, closing, separator, quote = "<", ">", ",", "'"
