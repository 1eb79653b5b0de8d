"""Answers that a language model generated, read as predicted triples: in one strict way for all of them."""

from docre.answers.base import FORMS, Form, Found
from docre.answers.reading import Read, read_answers

__all__ = ["FORMS", "Form", "Found", "Read", "read_answers"]
