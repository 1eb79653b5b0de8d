"""docre inferences: list the ways from a trained model to predictions, with their parameters and references."""

import argparse

from docre.config.loading import import_plugins
from docre.config.options import add_plugins


def main(arguments: list[str]) -> None:
    """Print every registered inference with its parameters and reference."""
    parser = argparse.ArgumentParser(
        prog="docre inferences",
        description="List the ways from a trained model to predictions, with their parameters and references.",
    )
    add_plugins(parser)
    import_plugins(parser.parse_args(arguments).plugins, "--plugins")

    from docre.core.registry import describe
    from docre.inference.methods import INFERENCES

    for name in INFERENCES:
        print(describe(name, INFERENCES[name], 0) + "\n")
