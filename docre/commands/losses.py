"""docre losses: list the losses with their parameters and references."""

import argparse

from docre.config.loading import import_plugins
from docre.config.options import add_plugins


def main(arguments: list[str]) -> None:
    """Print every registered loss with its parameters and reference."""
    parser = argparse.ArgumentParser(
        prog="docre losses", description="List the losses with their parameters and references."
    )
    add_plugins(parser)
    import_plugins(parser.parse_args(arguments).plugins, "--plugins")

    from docre.core.registry import describe
    from docre.documents import LabelStatistics
    from docre.losses import LOSSES, loss_class

    for name in LOSSES:
        loss = loss_class(name)
        counted = loss.from_training_data(LabelStatistics(pairs=2, positives=(1,)))
        print(describe(name, loss, 1, counted) + "\n")
