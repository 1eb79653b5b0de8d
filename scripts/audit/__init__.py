"""Measures docre audit on labels of which some were taken away or replaced: python -m scripts.audit --help."""
