"""Options that several commands have."""

import argparse

from docre.config.loading import CHANGEABLE


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """What every command takes that looks something up by a name that is not in a config of the user's: `plugins`."""
    parser.add_argument(
        "--plugins",
        type=lambda text: text.split(","),
        default=[],
        metavar="MODULE,...",
        help="Python modules to import first: they register losses, models or readers of your own",
    )


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """What every command takes that predicts: `calibration` and `force`, for docre.inference.calibration."""
    parser.add_argument("--calibration", metavar="FILE", help="with --checkpoint: decide as docre calibrate found best")
    parser.add_argument("--force", action="store_true", help="take a calibration that was made for other weights")


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """What every command takes that loads a checkpoint: `changes` and `plugins`, as docre.load takes them."""
    add_plugins(parser)
    parser.add_argument(
        "changes",
        nargs="*",
        metavar="key=value",
        help="predict with another value of a key, as evaluation.batch_size=16 (of those that begin with "
        f"{', '.join(CHANGEABLE)})",
    )
