"""Taggers turn plain text into documents. One file for each tagger; docre.text.base has their contract."""

from docre.text.base import TAGGERS, Tagger

__all__ = ["TAGGERS", "Tagger"]
