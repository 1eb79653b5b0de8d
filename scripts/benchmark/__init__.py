"""Timings of docre: `python -m scripts.benchmark`, and `python -m scripts.benchmark.losses`."""
