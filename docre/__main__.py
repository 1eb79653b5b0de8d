"""The door to every command: `docre NAME ...`, the same as `python -m docre NAME ...`."""

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

from docre.core import cli

# What `docre --help` says of each module of docre/commands. They are imported only when they are run.
GROUPS = {
    "train": {
        "train": "train a model as a YAML file says; a run that was interrupted goes on",
        "sweep": "train every combination of some values of the config",
    },
    "use": {
        "predict": "write the triples that a checkpoint finds in documents",
        "evaluate": "score a checkpoint, or a file of predictions, against gold labels",
        "calibrate": "shift a checkpoint's margins for the best F1, or a wanted precision or recall",
    },
    "look": {
        "analyze": "where thresholds sit, which errors remain, how margins are calibrated",
        "report": "one HTML page of runs: curves, scores, plots, a viewer of documents",
        "losses": "list the losses with their parameters and references",
        "models": "list the models with their parameters and references",
    },
    "data": {
        "stats": "count what is in a file of documents, and list everything odd",
        "convert": "write documents of any format as DocRED JSON",
        "download": "fetch a benchmark, or say how to get it",
        "synthetic": "make a corpus of invented documents",
    },
}
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names with the others. It ends as docre.core.cli.run says."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        command = importlib.import_module(f"docre.commands.{given[0]}")
        cli.run(partial(command.main, given[1:]))
        return
    parser = argparse.ArgumentParser(
        prog="docre",
        usage="docre COMMAND ...",
        description="Document-level relation extraction. `docre COMMAND --help` explains a command.",
        epilog=overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"docre {version('docre')}")
    parser.add_argument("command", metavar="COMMAND", help="one of those below")
    options, _ = parser.parse_known_args(given)
    close = difflib.get_close_matches(options.command, COMMANDS, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(COMMANDS)}"
    parser.error(f"no command {options.command!r}: {hint}")


def overview() -> str:
    """The commands with one line each, by group."""
    lines = []
    for group, commands in GROUPS.items():
        lines += [f"{group}:", *(f"  {name:<11}{text}" for name, text in commands.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
