"""Trains the runs of a plan and writes their results: `python -m scripts.reproduce scripts/plans/cpu.yaml`."""
