"""docre inferences: list the ways from a trained model to predictions, with their parameters and references."""

import argparse

from docre.config.options import parse_with_plugins


def main(arguments: list[str]) -> None:
    """Print every registered inference with its parameters and reference."""
    parser = argparse.ArgumentParser(
        prog="docre inferences",
        description="List the ways from a trained model to predictions, with their parameters and references.",
    )
    parse_with_plugins(parser, arguments)

    from docre.core.registry import describe
    from docre.inference.methods import INFERENCES

    for name in INFERENCES:
        print(describe(name, INFERENCES[name], 0) + "\n")
