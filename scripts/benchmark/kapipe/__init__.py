"""docre beside the package kapipe, which has an ATLOP too: `python -m scripts.benchmark.kapipe`, see __main__.py."""
