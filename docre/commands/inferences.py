"""docre inferences: list the ways from a trained model to predictions, with their parameters and references."""

import argparse


def main(arguments: list[str]) -> None:
    """Print every registered inference with its parameters and reference."""
    parser = argparse.ArgumentParser(
        prog="docre inferences",
        description="List the ways from a trained model to predictions, with their parameters and references.",
    )
    parser.parse_args(arguments)

    from docre.core.registry import describe
    from docre.inference.methods import INFERENCES

    for name in INFERENCES:
        print(describe(name, INFERENCES[name], 0) + "\n")
