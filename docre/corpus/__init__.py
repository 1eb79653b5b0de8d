"""Predicts a corpus of any size: in constant memory, on many processes or machines, each document exactly once."""
