"""docre losses: list the losses with their parameters and references."""

import argparse

from docre.config.options import parse_with_plugins


def main(arguments: list[str]) -> None:
    """Print every registered loss with its parameters and reference."""
    parser = argparse.ArgumentParser(
        prog="docre losses", description="List the losses with their parameters and references."
    )
    parse_with_plugins(parser, arguments)

    from docre.core.registry import describe
    from docre.documents import LabelStatistics
    from docre.losses import LOSSES, loss_class

    for name in LOSSES:
        loss = loss_class(name)
        counted = loss.from_training_data(LabelStatistics(pairs=2, positives=(1,)))
        print(describe(name, loss, 1, counted) + "\n")
