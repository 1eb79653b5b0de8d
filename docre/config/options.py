"""Command-line options that several commands share."""

import argparse
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docre.config.loading import CHANGEABLE, import_plugins
from docre.errors import DocreError


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Add `--plugins`, for commands that look up losses, models or readers without a config of the user's."""
    parser.add_argument(
        "--plugins",
        type=lambda text: text.split(","),
        default=[],
        metavar="MODULE,...",
        help="Python modules to import first: they register losses, models or readers of your own",
    )


def parse_with_plugins(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Add `--plugins`, parse the arguments, and import the modules that it names."""
    add_plugins(parser)
    options = parser.parse_args(arguments)
    import_plugins(options.plugins, "--plugins")
    return options


def add_checkpoint(
    parser: argparse._ActionsContainer, help: str = "a checkpoint, or the folder of a run", **more: Any
) -> None:
    """Add `--checkpoint`, for commands that take one: a second one is an error, not a replacement."""
    parser.add_argument("--checkpoint", required=True, action=Once, metavar="DIR", help=help, **more)


class Once(argparse.Action):
    """Stores the value of an option that may be given only once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if getattr(namespace, self.dest) is not self.default:
            parser.error(f"{option}: given twice; this command takes one")
        setattr(namespace, self.dest, values)


def add_checkpoints(parser: argparse._ActionsContainer, required: bool = True) -> None:
    """Add `--checkpoint`, for commands that take an ensemble too (see docre.inference.loading)."""
    parser.add_argument(
        "--checkpoint",
        required=required,
        action="append",
        metavar="DIR",
        help="a checkpoint, or the folder of a run; repeated, an ensemble: the mean of probabilities",
    )


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """Add `--calibration`, `--dev` and `--force`, for commands that predict (see docre.inference.calibration)."""
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--calibration", metavar="FILE", help="with --checkpoint: apply this output of docre calibrate")
    chosen.add_argument(
        "--dev",
        metavar="FILE",
        help="with --checkpoint: labeled documents, on which the threshold with the best F1 is fitted",
    )
    parser.add_argument("--force", action="store_true", help="accept a calibration that was made for other weights")


def add_min_confidence(parser: argparse._ActionsContainer) -> None:
    """Add `--min-confidence`, for commands that find triples in plain text."""
    parser.add_argument(
        "--min-confidence", type=probability, metavar="P", help="only triples with at least this confidence (0 to 1)"
    )


def probability(text: str) -> float:
    """A number from 0 to 1. Raises ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return value


def add_tagger(parser: argparse._ActionsContainer) -> None:
    """Add `--tagger`, for commands that find entities in plain text (see `tagger_changes`)."""
    parser.add_argument(
        "--tagger",
        metavar="NAME",
        help="what finds the entities, with parameters as tagger.pipeline=NAME (default: that of the checkpoint)",
    )


def tagger_changes(options: argparse.Namespace) -> list[str]:
    """The arguments `changes`, with the choice of `--tagger` among them."""
    return [f"tagger.name={json.dumps(options.tagger)}"] * bool(options.tagger) + list(options.changes)


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add `--plugins` and the arguments `changes`, for commands that load a checkpoint; docre.load takes both."""
    add_plugins(parser)
    parser.add_argument(
        "changes",
        nargs="*",
        metavar="key=value",
        help="override the checkpoint's config, for example evaluation.batch_size=16; allowed keys begin with "
        f"{', '.join(CHANGEABLE)}",
    )


def split_label(argument: str) -> tuple[str, Path]:
    """The label and the path of "label=path", as in ("atl", runs/a); the label is empty if there is none.

    Both may contain "=": the path is the whole argument or the longest part after an "=" that exists.
    """
    parts = argument.split("=")
    for i in range(len(parts)):
        path = "=".join(parts[i:])
        if os.path.exists(path):
            return "=".join(parts[:i]), Path(path)
    return "", Path(argument)


def check_different(runs: Iterable[Path]) -> None:
    """Raises DocreError if a run is given twice, whatever its folder is called."""
    seen: set[Path] = set()
    for run in runs:
        if run.resolve() in seen:
            raise DocreError(f"{run}: given twice")
        seen.add(run.resolve())
