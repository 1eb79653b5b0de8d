"""`(head, relation, tail)`, one a line."""

from docre.answers.base import FORMS
from docre.answers.delimited import Delimited


@FORMS.register("tuples")
class Tuples(Delimited):
    """`(head, relation, tail)`, one a line or several."""

    reference = "the most common form of prompts for triples"
    opening, closing, separator = "(", ")", ","
