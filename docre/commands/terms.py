"""docre terms: list the terms that can be added to the loss, with their parameters and references."""

import argparse

from docre.config.options import parse_with_plugins


def main(arguments: list[str]) -> None:
    """Print every registered term with its parameters and reference."""
    parser = argparse.ArgumentParser(
        prog="docre terms", description="List the terms that can be added to the loss, with parameters and references."
    )
    parse_with_plugins(parser, arguments)

    from docre.core.registry import describe
    from docre.terms import TERMS

    for name in TERMS:
        print(describe(name, TERMS[name], 0) + "\n")
