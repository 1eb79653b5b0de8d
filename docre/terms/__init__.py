"""Terms that are added to the loss in training. One file for each term; docre.terms.base has their contract."""

from docre.terms.base import TERMS, Term

__all__ = ["TERMS", "Term"]
