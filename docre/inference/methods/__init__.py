"""Inferences: how a predictor turns documents into margins. One file for each; `base` has their contract."""

from docre.inference.methods.base import INFERENCES, Inference, PairScores

__all__ = ["INFERENCES", "Inference", "PairScores"]
