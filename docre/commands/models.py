"""docre models: list the models with their parameters and references."""

import argparse


def main(arguments: list[str]) -> None:
    """Print every registered model with its parameters and reference."""
    parser = argparse.ArgumentParser(
        prog="docre models", description="List the models with their parameters and references."
    )
    parser.parse_args(arguments)

    from docre.core.registry import describe
    from docre.models import MODELS

    for name in MODELS:
        print(describe(name, MODELS[name], 2) + "\n")
